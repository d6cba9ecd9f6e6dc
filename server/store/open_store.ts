/** Opens the store of a server: its own files, or what it shares with others. */
import { hostname } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../lib/cli/version.ts";
import { importRevocations } from "../../lib/pki/revocation_import.ts";
import type { RevocationList } from "../../lib/pki/revocation_list.ts";
import {
  exists,
  looseModeNotice,
  removeFile,
  SECRET_FILE_MODE,
  writeFilesAtomically,
} from "../../lib/pki/secure_file.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { readLastSeen } from "../sessions/last_seen_file.ts";
import { writeNetwork } from "../sessions/network_file.ts";
import { LeaseStore } from "../sessions/lease_store.ts";
import { monthOf } from "../../lib/status/metering/volume_meter.ts";
import { FileStore } from "./file_store.ts";
import type { NatsOptions } from "./nats/nats_options.ts";
import type { ServerStore } from "./server_store.ts";
import { openUsageCopy, writeUsageCopy } from "./shared/usage_copy.ts";
import { UsageCounters } from "./shared/usage_counters.ts";

/** Beside the leases: says that they are a copy of what several servers have agreed on. */
const AGREED_FILE = "leases-agreed";

interface StoreOptions {
  /** The folder of the certificates. */
  readonly directory: string;
  readonly network: TunnelNetwork;
  readonly revocations: RevocationList;
  /** Null: files alone. */
  readonly nats: NatsOptions | null;
  /** The instance's, should there be several on this machine. */
  readonly instance: string | null;
  /** For the operator. */
  readonly warn: (line: string) => void;
}

/** @throws PkiError */
export async function openStore(options: StoreOptions): Promise<ServerStore> {
  const { directory, network, warn } = options;
  await writeNetwork(directory, network).catch((error) => warn(messageOf(error)));
  if (options.nats !== null) return await openShared({ ...options, nats: options.nats });
  const agreed = join(options.directory, AGREED_FILE);
  // What this server gives away from now on, nobody else knows of.
  if (await exists(agreed)) await removeFile(agreed);
  const saved = await openUsageCopy(options.directory, options.warn);
  const usage = saved === null ? null : new UsageCounters(saved, newId());
  return await FileStore.open({ ...options, usage, month: monthNow });
}

async function openShared(
  { directory, network, revocations, nats, instance, warn }: StoreOptions & { nats: NatsOptions },
): Promise<ServerStore> {
  // A server that keeps files loads nothing of it.
  const { NatsService } = await import("./nats/nats_service.ts");
  const { SharedStore } = await import("./shared/shared_store.ts");
  for (const line of await looseSecrets(nats)) warn(line);
  const copy = new LeaseStore({ directory, network, warn });
  const { leases, problem } = await copy.load();
  if (problem !== null) warn(problem);
  const seen = await readLastSeen(directory).catch((error) => {
    warn(messageOf(error));
    return new Map<string, number>();
  });
  const agreed = join(directory, AGREED_FILE);
  const areAgreed = await exists(agreed);
  let isMarked = areAgreed;
  const mark = async () => {
    isMarked = true;
    const text = "these leases are a copy of what several servers have agreed on\n";
    await writeFilesAtomically([{ path: agreed, text, mode: SECRET_FILE_MODE }]);
  };
  const serverId = newId();
  const saved = await openUsageCopy(directory, warn) ??
    { id: newId(), run: serverId, clients: new Map() };
  const usage = new UsageCounters(saved, serverId);
  const store: ServerStore = new SharedStore({
    ...{ network, leases, areAgreed, warn, serverId, usage },
    service: new NatsService(nats, parseInt(serverId.slice(0, 2), 16), warn),
    serverName: nameOf(instance),
    version: VERSION,
    usedAtMs: (name) => seen.get(name) ?? 0,
    list: revocations,
    add: (added) => importRevocations(directory, added, new Date()),
    saveCopy: (isAgreed) => {
      copy.save(() => store.addresses.leases);
      if (isAgreed && !isMarked) mark().catch((error) => warn(messageOf(error)));
    },
    saveUsage: () =>
      writeUsageCopy(directory, usage.copy).then(() => true, (error) => {
        warn(messageOf(error));
        return false;
      }),
    month: monthNow,
    nowMs: () => Date.now(),
    pause,
    random: Math.random,
  });
  return withCopy(store, copy);
}

/** As for the keys of certificates: what others may read, is said. */
async function looseSecrets({ credentials, key }: NatsOptions): Promise<string[]> {
  const looks = [
    ...credentials === null ? [] : [looseModeNotice(credentials, "credentials")],
    ...key === null ? [] : [looseModeNotice(key)],
  ];
  // One that is not there may come; until then the store says so.
  const notices = await Promise.all(looks.map((look) => look.catch(messageOf)));
  return notices.filter((notice) => notice !== null);
}

/** The copy is written when the store has ended. */
function withCopy(store: ServerStore, copy: LeaseStore): ServerStore {
  const end = store[Symbol.asyncDispose].bind(store);
  return Object.assign(store, {
    async [Symbol.asyncDispose]() {
      await end();
      await copy[Symbol.asyncDispose]();
    },
  });
}

/** Of a server, or a run of one. */
function newId(): string {
  return crypto.getRandomValues(new Uint8Array(8)).toHex();
}

function monthNow(): string {
  return monthOf(new Date());
}

/** For people, who have several servers: the machine's. */
function nameOf(instance: string | null): string {
  const machine = hostname().replaceAll(/[^\w.-]/g, "-").slice(0, 40) || "server";
  return instance === null ? machine : `${machine}/${instance}`.slice(0, 64);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.resolve();
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    resolve();
  };
  const timer = setTimeout(end, ms);
  signal.addEventListener("abort", end);
  return promise;
}
