/**
 * What servers keep in the store they share, as keys and values. Values are JSON:
 *
 *   lease.10.8.0.77      {"name":"laptop","server":"9f0c...","at":"2026-11-28T13:05:00.000Z"}
 *   revoked.3A5F         {"serial":"3A5F","commonName":"laptop","revokedAt":"...","notAfter":"..."}
 *   client.bGFwdG9w      {"name":"laptop","at":"...","settings":{"rate":{"down":6250000,"up":1250000}}}
 *   usage.bGFwdG9w.9f0c...   {"name":"laptop","by":"77e1...","months":{"2026-11":1234567}}
 *   server.9f0c...       {"name":"vpn1","at":"...","sessions":12,"isDraining":false,"version":"..."}
 *
 * Whoever may write to the store may write anything: what is not of these forms is refused, and what
 * is larger is not even looked at.
 */
import * as v from "valibot";
import { isStoredClientName } from "../../../lib/pki/client_name.ts";
import {
  COMMON_NAME_LENGTH_MAX,
  decodeRevocation,
  type Revocation,
} from "../../../lib/pki/revocation_file.ts";
import type { ClientSettings } from "../../clients/client_settings.ts";
import { encodeSettings, settingsFrom } from "../../clients/settings_text.ts";
import type { UsageValue } from "./usage_counters.ts";
import { Bytes, Month, ServerId } from "./usage_schema.ts";

/** A client's name has 200 characters at most, which take 600 bytes. */
const KEY_LENGTH_MAX = 1024;
/** The settings of a client with as many prefixes as may be take the most. */
export const VALUE_BYTES_MAX = 8192;

/** The address of one client. */
export interface LeaseValue {
  readonly name: string;
  /** The server that it was last heard on, by id, as long as it has not left there; else null. */
  readonly server: string | null;
  /** When that was noted, in milliseconds since 1970. */
  readonly atMs: number;
}

/** What is prescribed for a client, of a name in base64url as its key. */
interface ClientValue {
  readonly settings: ClientSettings;
  /** When that was changed, in milliseconds since 1970. */
  readonly atMs: number;
}

/** What a server tells of itself, every few seconds. */
export interface ServerValue {
  /** For people: of the machine. */
  readonly name: string;
  readonly atMs: number;
  readonly sessions: number;
  readonly isDraining: boolean;
  readonly version: string;
}

export type StoreEntry =
  | { readonly kind: "lease"; readonly ipv4: string; readonly value: LeaseValue }
  | { readonly kind: "revoked"; readonly value: Revocation }
  | { readonly kind: "client"; readonly name: string; readonly value: ClientValue }
  | {
    readonly kind: "usage";
    readonly name: string;
    /** Under which a server counts. */
    readonly id: string;
    readonly value: UsageValue;
  }
  | { readonly kind: "server"; readonly id: string; readonly value: ServerValue };

/** One entry, as it is kept. */
export interface EncodedEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

const Instant = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.transform((text) => Date.parse(text)),
  v.check((ms) => !Number.isNaN(ms)),
);

const LeaseSchema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(COMMON_NAME_LENGTH_MAX)),
  server: v.nullable(ServerId),
  at: Instant,
});

const ClientSchema = v.strictObject({
  name: v.pipe(v.string(), v.check(isStoredClientName)),
  at: Instant,
  settings: v.unknown(),
});

/** The month it is, those beside it, and one to spare. */
const MONTHS_MAX = 4;
const UsageSchema = v.strictObject({
  name: v.pipe(v.string(), v.check(isStoredClientName)),
  by: ServerId,
  months: v.pipe(
    v.record(Month, Bytes),
    v.check((months) => Object.keys(months).length <= MONTHS_MAX),
  ),
});

const ServerSchema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(64), v.regex(/^[\w./-]+$/)),
  at: Instant,
  sessions: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000)),
  isDraining: v.boolean(),
  version: v.pipe(v.string(), v.maxLength(32), v.regex(/^[\w.+-]*$/)),
});

export const leaseKey = (ipv4: string) => `lease.${ipv4}`;
export const serverKey = (id: string) => `server.${id}`;
const nameId = (name: string) =>
  new TextEncoder().encode(name).toBase64({ alphabet: "base64url", omitPadding: true });
const clientKey = (name: string) => `client.${nameId(name)}`;
export const usageKey = (name: string, id: string) => `usage.${nameId(name)}.${id}`;
const revocationKey = (serial: string) => `revoked.${serial}`;

export function encodeLease(ipv4: string, { name, server, atMs }: LeaseValue): EncodedEntry {
  return encoded(leaseKey(ipv4), { name, server, at: new Date(atMs).toISOString() });
}

export function encodeClient(name: string, { settings, atMs }: ClientValue): EncodedEntry {
  const own = JSON.parse(encodeSettings(settings));
  return encoded(clientKey(name), { name, at: new Date(atMs).toISOString(), settings: own });
}

export function encodeUsage(name: string, id: string, { by, months }: UsageValue): EncodedEntry {
  return encoded(usageKey(name, id), { name, by, months: Object.fromEntries(months) });
}

export function encodeServer(id: string, value: ServerValue): EncodedEntry {
  const { name, atMs, sessions, isDraining, version } = value;
  const at = new Date(atMs).toISOString();
  return encoded(serverKey(id), { name, at, sessions, isDraining, version });
}

export function encodeRevocation(revocation: Revocation): EncodedEntry {
  return encoded(revocationKey(revocation.serial), revocation);
}

/** Of the last part of a client's key; what is none leads to no name. */
export function nameOfClient(id: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(id, { alphabet: "base64url" }));
  } catch {
    return "";
  }
}

/** Of the last part of the key of a volume: under which id it was counted. */
export function idOfUsage(id: string): string {
  return id.slice(id.indexOf(".") + 1);
}

/** What a key stands for, whatever its value; null: none of ours. */
export function parseKey(
  key: string,
): { readonly kind: StoreEntry["kind"]; readonly id: string } | null {
  if (key.length > KEY_LENGTH_MAX) return null;
  const at = key.indexOf(".");
  const kind = key.slice(0, at);
  const id = key.slice(at + 1);
  if (kind === "lease" && v.is(v.pipe(v.string(), v.ipv4()), id)) return { kind, id };
  if (kind === "client" && /^[\w-]+$/.test(id)) return { kind, id };
  if (kind === "usage" && /^[\w-]+\.[0-9a-f]{16}$/.test(id)) return { kind, id };
  if (kind === "server" && v.is(ServerId, id)) return { kind, id };
  if (kind === "revoked" && /^(0|[1-9A-F][0-9A-F]{0,63})$/.test(id)) return { kind, id };
  return null;
}

/** Throws an Error that says what is wrong with it. */
export function decodeEntry(key: string, bytes: Uint8Array): StoreEntry {
  const parsed = parseKey(key);
  if (parsed === null) throw new Error("its key is none of ours");
  if (bytes.length > VALUE_BYTES_MAX) {
    throw new Error(`it has ${bytes.length} bytes, more than ${VALUE_BYTES_MAX}`);
  }
  const value = parseJson(bytes);
  switch (parsed.kind) {
    case "lease": {
      const { name, server, at: atMs } = checked(LeaseSchema, value);
      return { kind: "lease", ipv4: parsed.id, value: { name, server, atMs } };
    }
    case "client": {
      const { name, at: atMs, settings } = checked(ClientSchema, value);
      if (clientKey(name) !== key) throw new Error("its key has another name");
      return { kind: "client", name, value: { settings: settingsFrom(settings), atMs } };
    }
    case "usage": {
      const { name, by, months } = checked(UsageSchema, value);
      const id = idOfUsage(parsed.id);
      if (usageKey(name, id) !== key) throw new Error("its key has another name");
      return { kind: "usage", name, id, value: { by, months: new Map(Object.entries(months)) } };
    }
    case "server": {
      const { at: atMs, ...rest } = checked(ServerSchema, value);
      return { kind: "server", id: parsed.id, value: { ...rest, atMs } };
    }
    case "revoked": {
      const revocation = decodeRevocation(value);
      if (revocation === null) throw new Error("it is no revocation");
      if (revocation.serial !== parsed.id) throw new Error("its key has another serial");
      return { kind: "revoked", value: revocation };
    }
    default:
      return parsed.kind satisfies never;
  }
}

function encoded(key: string, value: unknown): EncodedEntry {
  return { key, value: new TextEncoder().encode(JSON.stringify(value)) };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Error("it is not JSON");
  }
}

function checked<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const where = v.getDotPath(parsed.issues[0]);
  throw new Error(where === null ? "it is no object" : `its '${where}' is not what it should be`);
}
