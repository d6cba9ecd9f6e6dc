/**
 * The journal of systemd: with `-log-json` a service's records go there whole, each value of a record
 * as a field of its own that `journalctl` can ask for. The format is that of
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
 */
import { fstatSync } from "node:fs";
import type { LogLevel, LogRecord } from "@logtape/logtape";
import { Libc } from "../ffi/libc/libc.ts";
import { UnixDatagrams } from "../ffi/linux/unix_datagram.ts";

const SOCKET = "/run/systemd/journal/socket";
/** Device and inode of the stream that the service manager made: sd-journal(3). */
const STREAM_VARIABLE = "JOURNAL_STREAM";
const STDERR = 2;
const PREFIX = "FLUXIFY_";
/** The journal takes no longer ones. */
const NAME_LENGTH_MAX = 64;
const FIELDS_MAX = 100;

/** As syslog(3) has them. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = {
  ...{ trace: 7, debug: 7, info: 6, warning: 4, error: 3, fatal: 2 },
};

/**
 * What takes records in the place of stderr: it says whether one was taken. Null where stderr is not
 * the journal's, or it cannot be reached.
 */
export function openJournal(
  program: string,
  messageOf: (record: LogRecord) => string,
): ((record: LogRecord) => boolean) | null {
  try {
    const { dev, ino } = fstatSync(STDERR);
    if (Deno.env.get(STREAM_VARIABLE) !== `${dev}:${ino}`) return null;
    const datagrams = new UnixDatagrams(Libc.open(), SOCKET);
    return (record) => datagrams.send(encodeRecord(program, record, messageOf(record)));
  } catch {
    return null; // a log in text is better than none
  }
}

/** A datagram with all of a record. */
export function encodeRecord(program: string, record: LogRecord, message: string): Uint8Array {
  const fields = new Map([
    ["MESSAGE", message],
    ["PRIORITY", String(PRIORITIES[record.level])],
    ["SYSLOG_IDENTIFIER", program],
    [`${PREFIX}LOGGER`, record.category.join(".")],
  ]);
  addFields(fields, PREFIX, record.properties);
  const parts = [...fields].map(([name, value]) => encodeField(name, value));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Values within a value have its name before theirs: `values.rttMs` is `FLUXIFY_VALUES_RTT_MS`. */
function addFields(fields: Map<string, string>, prefix: string, values: object): void {
  for (const [key, value] of Object.entries(values)) {
    const name = prefix + fieldName(key);
    if (fields.size >= FIELDS_MAX || name.length > NAME_LENGTH_MAX || fields.has(name)) continue;
    if (value === null || value === undefined) continue;
    if (value instanceof Error) fields.set(name, value.message);
    else if (typeof value !== "object") fields.set(name, String(value));
    else if (Array.isArray(value)) fields.set(name, value.join(", "));
    else addFields(fields, `${name}_`, value);
  }
}

/** `rttMs` is `RTT_MS`. */
function fieldName(key: string): string {
  return key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase().replace(/[^A-Z0-9]+/g, "_")
    .replace(/^_+/, "");
}

/** A value with line feeds is told with its length before it. */
function encodeField(name: string, value: string): Uint8Array {
  const encoder = new TextEncoder();
  if (!value.includes("\n")) return encoder.encode(`${name}=${value}\n`);
  const [head, body] = [encoder.encode(`${name}\n`), encoder.encode(value)];
  const bytes = new Uint8Array(head.length + 8 + body.length + 1);
  bytes.set(head);
  new DataView(bytes.buffer).setBigUint64(head.length, BigInt(body.length), true);
  bytes.set(body, head.length + 8);
  bytes[bytes.length - 1] = "\n".charCodeAt(0);
  return bytes;
}
