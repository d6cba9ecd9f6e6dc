/**
 * The dictionary that packets are compressed with between peers that have the same one: common text,
 * and how often each byte, length and distance is to be expected, so that no packet has to say it.
 * The form is that of RFC 8878, section 5.
 */
import { createHash } from "node:crypto";
import { DICTIONARY_TEXT } from "./dictionary_text.ts";

/**
 * Magic number, id and entropy tables, in base64: what `scripts/dictionary_tables.ts` says of manual
 * pages, HTML and JSON. To be made anew when the text above changes much.
 */
const TABLES = `
N6Qw7Hh1bGZHEJBC1DkADABAAEABBFMlAGRU2RBQZ/8Hlv2Vu+diletv4YZgp7wX6b5ymllpyrW6UFW5YhMREQmS4GhA/cgH
OA2MHwMQSQGDABgUFI+OJlORZNIdAAQgzhVQDM2oIinIYRRCxhhjADEEAAAAAAAAAAAAAAAA5BEKxaEYZAoZYwDACAAAQAkA
AAABAAAABAAAAAgAAAA=
`;
const DIGITS = 8;

/** The whole dictionary. */
export function packetDictionary(): Uint8Array<ArrayBuffer> {
  const tables = atob(TABLES.replaceAll("\n", ""));
  const text = new TextEncoder().encode(DICTIONARY_TEXT);
  const dictionary = new Uint8Array(tables.length + text.length);
  for (let at = 0; at < tables.length; at++) dictionary[at] = tables.charCodeAt(at);
  dictionary.set(text, tables.length);
  return dictionary;
}

/**
 * What peers call the use of this dictionary in the control exchange. The name has the first digits
 * of its SHA-256, so those that have different ones do not agree on any.
 */
export function dictionaryFeature(): string {
  const hash = createHash("sha256").update(packetDictionary()).digest("hex");
  return `zstd-${hash.slice(0, DIGITS)}`;
}
