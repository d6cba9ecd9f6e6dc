/**
 * When the server last heard each client, as a file beside the certificates, for those who manage
 * them while it runs or does not:
 *
 *   {"version":1,"clients":[{"name":"laptop","at":"2026-11-28T13:05:00.000Z"}]}
 *
 * The one heard least recently comes first.
 */
import { join } from "node:path";
import * as v from "valibot";
import { PkiError } from "../../lib/pki/pki_error.ts";
import {
  exists,
  readSmallFile,
  SECRET_FILE_MODE,
  writeFilesAtomically,
} from "../../lib/pki/secure_file.ts";

/** By the certificate's name, in milliseconds since 1970; the least recent first. */
export type SeenAt = ReadonlyMap<string, number>;

const FILE_NAME = "last-seen.json";
/** Those seen last, should there be more: so many fit into what readSmallFile() takes. */
export const SEEN_MAX = 1024;
const NAME_LENGTH_MAX = 128;

const FileSchema = v.object({
  version: v.literal(1),
  clients: v.pipe(
    v.array(v.object({
      name: v.pipe(v.string(), v.minLength(1), v.maxLength(NAME_LENGTH_MAX)),
      at: v.pipe(v.string(), v.isoTimestamp()),
    })),
    v.maxLength(SEEN_MAX),
  ),
});

/**
 * Empty when there is no file: no server has run, or only earlier versions.
 * @throws {PkiError} "damaged" for what is none of ours, and what reading throws
 */
export async function readLastSeen(directory: string): Promise<Map<string, number>> {
  const path = join(directory, FILE_NAME);
  if (!await exists(path)) return new Map();
  const parsed = v.safeParse(FileSchema, parseJson(await readSmallFile(path)));
  if (!parsed.success) {
    throw new PkiError(
      "damaged",
      path,
      `Cannot tell when clients were seen last: ${path} is damaged; a running server writes it anew`,
    );
  }
  return new Map(parsed.output.clients.map(({ name, at }) => [name, Date.parse(at)]));
}

/** @throws {PkiError} when it cannot be written */
export async function writeLastSeen(directory: string, seen: SeenAt): Promise<void> {
  const clients = [...seen].filter(([name]) => name !== "" && name.length <= NAME_LENGTH_MAX)
    .slice(-SEEN_MAX)
    .map(([name, ms]) => JSON.stringify({ name, at: new Date(ms).toISOString() }));
  const text = `{"version":1,"clients":[\n${clients.join(",\n")}\n]}\n`;
  await writeFilesAtomically([{ path: join(directory, FILE_NAME), text, mode: SECRET_FILE_MODE }]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // refused as what it is not
  }
}
