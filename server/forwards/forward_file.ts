/**
 * The port forwardings, as a file beside the certificates. `fluxify-server forward` writes it, and a
 * running server follows it:
 *
 *   {"version":1,"forwards":[{"protocol":"tcp","port":8080,"client":"nas","clientPort":80,"from":null}]}
 */
import { join } from "node:path";
import * as v from "valibot";
import { isCanonicalPrefix } from "../../lib/host/links/address.ts";
import { COMMON_NAME_LENGTH_MAX } from "../../lib/pki/revocation_file.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import {
  exists,
  readSmallFile,
  SECRET_FILE_MODE,
  withDirectoryLock,
  writeFilesAtomically,
} from "../../lib/pki/secure_file.ts";
import { forwardLabel, PORT_MAX, type PortForward, PROTOCOLS } from "./port_forward.ts";

const FILE_NAME = "forwards.json";
/** So many fit into what readSmallFile() takes, with the longest names. */
export const FORWARDS_MAX = 500;

const Port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(PORT_MAX));
const FileSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    version: v.literal(1),
    forwards: v.pipe(
      v.array(v.object({
        protocol: v.picklist(PROTOCOLS),
        port: Port,
        client: v.pipe(v.string(), v.minLength(1), v.maxLength(COMMON_NAME_LENGTH_MAX)),
        clientPort: Port,
        // Becomes a word of a rule that nft parses.
        from: v.nullable(v.pipe(v.string(), v.check(isCanonicalPrefix))),
      })),
      v.maxLength(FORWARDS_MAX),
      v.check((forwards) => new Set(forwards.map(forwardLabel)).size === forwards.length),
    ),
  }),
);

export function forwardFile(directory: string): string {
  return join(directory, FILE_NAME);
}

/**
 * None when there is no file.
 * @throws {PkiError} "damaged" for what is none of ours, and what reading throws
 */
export async function readForwards(directory: string): Promise<PortForward[]> {
  const path = forwardFile(directory);
  if (!await exists(path)) return [];
  // One that is a pipe would be waited for.
  if (!(await Deno.stat(path)).isFile) {
    throw new PkiError(
      "damaged",
      path,
      `Cannot tell which ports are forwarded: ${path} is no file`,
    );
  }
  const parsed = v.safeParse(FileSchema, await readSmallFile(path));
  if (parsed.success) return parsed.output.forwards;
  throw new PkiError(
    "damaged",
    path,
    `Cannot tell which ports are forwarded: ${path} is damaged; restore it from a backup, or remove ` +
      "it and add the forwardings again",
  );
}

/**
 * Writes what `change` makes of the forwardings, under the lock of the tree, unless it returns null.
 * @throws {PkiError} what reading, writing and the lock throw, and whatever `change` throws
 */
export function changeForwards(
  directory: string,
  change: (forwards: readonly PortForward[]) => readonly PortForward[] | null,
): Promise<void> {
  return withDirectoryLock(directory, async () => {
    const changed = change(await readForwards(directory));
    if (changed === null) return;
    const lines = changed.map((each) => JSON.stringify(each));
    const text = `{"version":1,"forwards":[\n${lines.join(",\n")}\n]}\n`;
    await writeFilesAtomically([{ path: forwardFile(directory), text, mode: SECRET_FILE_MODE }]);
  });
}

/**
 * Removes the forwardings to clients that are let in no more; returns a line for people, or null.
 * @throws as changeForwards()
 */
export async function removeForwardsTo(
  directory: string,
  isGone: (client: string) => boolean,
): Promise<string | null> {
  const removed: string[] = [];
  await changeForwards(directory, (forwards) => {
    for (const each of forwards) {
      if (isGone(each.client)) removed.push(`${forwardLabel(each)} to ${each.client}`);
    }
    return removed.length === 0 ? null : forwards.filter(({ client }) => !isGone(client));
  });
  return removed.length === 0 ? null : `No longer forwarded: ${removed.join(", ")}`;
}
