/** `-store` and what belongs to it. */
import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../../../lib/cli/exit.ts";
import { parseHost } from "../../../lib/cli/host_name.ts";
import { parseInteger } from "../../../lib/cli/integer.ts";
import { GROUPS, pathFor } from "../../../lib/cli/tunnel_options.ts";

const NATS_PORT = 4222;
const MACHINES_MAX = 16;

/** One machine of a store. */
interface StoreMachine {
  readonly host: string;
  readonly port: number;
}

/** A store that several servers share. */
export interface NatsOptions {
  readonly machines: readonly StoreMachine[];
  /** "tls": it must be; "any": as the machines of the store want it. */
  readonly transport: "tls" | "any";
  /** Files; null: none. */
  readonly credentials: string | null;
  readonly ca: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
}

interface RawStoreOptions {
  store?: string | undefined;
  storeCredentials?: string | undefined;
  storeCa?: string | undefined;
  storeCert?: string | undefined;
  storeKey?: string | undefined;
}

export const storeOption = () =>
  new Option(
    "--store <where>",
    "where servers keep what they share: file (this server alone), or nats://HOST,HOST,... or tls://HOST,HOST,...",
  ).helpGroup(GROUPS.connection).default("file");

export const storeCredentialsOption = () =>
  new Option(
    "--store-credentials <file>",
    "for -store: a file of credentials (.creds), or one with USER:PASSWORD",
  ).helpGroup(GROUPS.connection).argParser(pathFor("-store-credentials"));

export const storeCaOption = () =>
  new Option("--store-ca <file>", "for -store: the authority of its certificates; asks for TLS")
    .helpGroup(GROUPS.connection).argParser(pathFor("-store-ca"));

export const storeCertOption = () =>
  new Option("--store-cert <file>", "for -store: this server's certificate for it")
    .helpGroup(GROUPS.connection).argParser(pathFor("-store-cert"));

export const storeKeyOption = () =>
  new Option("--store-key <file>", "for -store: the key of -store-cert")
    .helpGroup(GROUPS.connection).argParser(pathFor("-store-key"));

/** Null: files, this server's own. @throws UsageError */
export function natsOptions(raw: RawStoreOptions): NatsOptions | null {
  const {
    store = "file",
    storeCredentials: credentials = null,
    storeCa: ca = null,
    storeCert: certificate = null,
    storeKey: key = null,
  } = raw;
  const files = { credentials, ca, certificate, key };
  if (store === "file") {
    const useless = Object.entries({
      "-store-credentials": credentials,
      "-store-ca": ca,
      "-store-cert": certificate,
      "-store-key": key,
    }).find(([, file]) => file !== null);
    if (useless !== undefined) {
      throw new UsageError(`${useless[0]} means nothing without -store nats://HOST,...`);
    }
    return null;
  }
  const [, scheme = "", list = ""] = /^(nats|tls):\/\/(.+)$/.exec(store) ?? [];
  // What is behind an @ may be a password: it is not repeated.
  if (store.includes("@")) {
    throw new UsageError(
      "-store takes no names and passwords, which others would see; put them into a file and give -store-credentials FILE",
    );
  }
  if (scheme === "") {
    throw new UsageError(`-store must be file, nats://HOST,... or tls://HOST,..., not '${store}'`);
  }
  if ((certificate === null) !== (key === null)) {
    throw new UsageError("-store-cert and -store-key belong together: give both");
  }
  const machines = list.split(",").map(parseMachine);
  if (machines.length > MACHINES_MAX) {
    throw new UsageError(`-store takes at most ${MACHINES_MAX} machines, not ${machines.length}`);
  }
  const isTls = scheme === "tls" || ca !== null || certificate !== null;
  return { machines, transport: isTls ? "tls" : "any", ...files };
}

/** Where a store is, as it is shown. */
export function placeOf({ machines }: Pick<NatsOptions, "machines">): string {
  return machines.map(({ host, port }) => {
    const shown = host.includes(":") ? `[${host}]` : host;
    return port === NATS_PORT ? shown : `${shown}:${port}`;
  }).join(",");
}

/** @throws UsageError */
function parseMachine(text: string): StoreMachine {
  const [, bracketed, plain = "", digits] =
    /^(?:\[([\da-fA-F:.]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  const port = digits === undefined ? NATS_PORT : parseInteger(digits);
  if (port === null || port < 1 || port > 65535) {
    throw new UsageError(`-store: '${text}' has no port from 1 to 65535`);
  }
  return { host: parseHost("-store", bracketed ?? plain), port };
}
