/**
 * The shared store in NATS JetStream, by its own client: a key-value bucket with replicas. A
 * connection is to one machine of the store; when it fails, whoever uses it asks for another.
 */
import { isIP } from "node:net";
import { jetstream, JetStreamApiError } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import {
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { readSmallFile } from "../../../lib/pki/secure_file.ts";
import { VALUE_BYTES_MAX } from "../shared/entries.ts";
import type { Expected, KeyValue, KeyValueService, StoredValue } from "../shared/key_value.ts";
import { type NatsOptions, placeOf } from "./nats_options.ts";
import { connectSteadily, lineOf, warningOfLine } from "./steady_transport.ts";
import { reasonOf } from "./store_failure.ts";

const BUCKET = "fluxify";
const CONNECT_MS = 3_000;
const REQUEST_MS = 2_000;
/** A machine that is silent for twice as long is given up. */
const PING_MS = 2_000;
/** Leases of a /16, with room. */
const BUCKET_BYTES_MAX = 256 * 1024 * 1024;
/** The service's word for "another version is there". */
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);

export class NatsService implements KeyValueService {
  readonly place: string;
  readonly #options: NatsOptions;
  readonly #warn: (line: string) => void;
  /** Machines of which it was said that they are reached without TLS. */
  readonly #saidPlain = new Set<string>();
  #next: number;

  /**
   * @param first which machine is asked first, so that servers spread over them.
   * @param warn takes lines for the operator.
   */
  constructor(options: NatsOptions, first: number, warn: (line: string) => void) {
    this.#options = options;
    this.#warn = warn;
    this.place = placeOf(options);
    this.#next = first % options.machines.length;
  }

  async connect(signal: AbortSignal): Promise<KeyValue> {
    const { machines } = this.#options;
    /** By reason, the machines. */
    const failures = new Map<string, string[]>();
    for (let tried = 0; tried < machines.length && !signal.aborted; tried++) {
      const machine = machines[this.#next]!;
      this.#next = (this.#next + 1) % machines.length;
      try {
        return await this.#connectTo(machine, signal);
      } catch (error) {
        const places = failures.getOrInsertComputed(reasonOf(error), () => []);
        places.push(placeOf({ machines: [machine] }));
      }
    }
    const lines = [...failures].map(([reason, places]) => `${places.join(", ")}: ${reason}`);
    throw new Error(lines.join("; "));
  }

  async #connectTo(
    { host, port }: NatsOptions["machines"][number],
    signal: AbortSignal,
  ): Promise<KeyValue> {
    const connection = await connectSteadily({
      servers: `${host.includes(":") ? `[${host}]` : host}:${port}`,
      ...await securityOf(this.#options, host),
      name: "fluxify-server",
      timeout: CONNECT_MS,
      // What comes after a connection has ended is decided by who uses it.
      reconnect: false,
      maxReconnectAttempts: 0,
      ignoreClusterUpdates: true,
      pingInterval: PING_MS,
      maxPingOut: 2,
      noAsyncTraces: true,
    });
    try {
      signal.throwIfAborted();
      this.#lookAtLine(connection, placeOf({ machines: [{ host, port }] }));
      const options = { timeout: REQUEST_MS };
      const bucket = await new Kvm(jetstream(connection, options)).create(BUCKET, {
        ...options,
        replicas: replicasFor(this.#options.machines.length),
        history: 1,
        max_bytes: BUCKET_BYTES_MAX,
        maxValueSize: VALUE_BYTES_MAX,
        // Reads have to be those of the leader: a follower may be behind.
        allow_direct: false,
      });
      return new NatsKeyValue(connection, bucket);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  #lookAtLine(connection: NatsConnection, place: string): void {
    const warning = warningOfLine(lineOf(connection), place);
    if (warning === null || this.#saidPlain.has(place)) return;
    this.#saidPlain.add(place);
    this.#warn(warning);
  }
}

class NatsKeyValue implements KeyValue {
  readonly #connection: NatsConnection;
  readonly #bucket: KV;

  constructor(connection: NatsConnection, bucket: KV) {
    this.#connection = connection;
    this.#bucket = bucket;
  }

  async write(key: string, value: Uint8Array, expected: Expected): Promise<number | "conflict"> {
    const previous = expected === "anything" ? {} : { previousSeq: expected };
    try {
      return await this.#bucket.put(key, value, { ...previous, timeout: REQUEST_MS });
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) {
        return "conflict";
      }
      throw new Error(reasonOf(error), { cause: error });
    }
  }

  async read(key: string): Promise<StoredValue | null> {
    try {
      const entry = await this.#bucket.get(key);
      return entry === null ? null : storedValue(entry);
    } catch (error) {
      throw new Error(reasonOf(error), { cause: error });
    }
  }

  async remove(key: string): Promise<void> {
    try {
      await this.#bucket.purge(key);
    } catch (error) {
      throw new Error(reasonOf(error), { cause: error });
    }
  }

  async watch(changed: (value: StoredValue) => void, signal: AbortSignal): Promise<void> {
    const entries = await this.#bucket.watch().catch((error) => {
      throw new Error(reasonOf(error), { cause: error });
    });
    const stop = () => entries.stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (signal.aborted) return;
      for await (const entry of entries) changed(storedValue(entry));
      if (!signal.aborted) throw new Error("the watch has ended");
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}

function storedValue(
  { key, value, revision, operation }: {
    key: string;
    value: Uint8Array;
    revision: number;
    operation: string;
  },
): StoredValue {
  return { key, value: operation === "PUT" ? value : null, revision };
}

/** Odd, and no more than there are machines: a majority has to agree. */
function replicasFor(machines: number): number {
  return machines >= 5 ? 5 : machines >= 3 ? 3 : 1;
}

/** Read anew for each connection: files may be replaced while the server runs. @throws PkiError */
async function securityOf(options: NatsOptions, host: string): Promise<ConnectionOptions> {
  const { transport, credentials, ca, certificate, key } = options;
  const tls = transport === "any" ? {} : {
    tls: {
      // Of an address the client would take the certificate's name for localhost's.
      ...(isIP(host) === 0 ? {} : { host }),
      ...(ca === null ? {} : { ca: await readSmallFile(ca) }),
      ...(certificate === null ? {} : { cert: await readSmallFile(certificate) }),
      ...(key === null ? {} : { key: await readSmallFile(key) }),
    },
  };
  if (credentials === null) return tls;
  const text = await readSmallFile(credentials);
  if (text.includes("-----BEGIN NATS USER JWT-----")) {
    return { ...tls, authenticator: credsAuthenticator(new TextEncoder().encode(text)) };
  }
  const [, user, password] = /^([^:\s]+):(\S+)\s*$/.exec(text) ?? [];
  if (user === undefined || password === undefined) {
    throw new Error(`${credentials} is neither a .creds file nor one line USER:PASSWORD`);
  }
  return { ...tls, authenticator: usernamePasswordAuthenticator(user, password) };
}
