/**
 * Where the instances of a program listen: `client.sock` for the one with the usual name,
 * `client-home.sock` for the one named home.
 */
import { join } from "node:path";

const DEFAULT_DIRECTORY = "/run/fluxify";
const SUFFIX = ".sock";

export interface ProgramSockets {
  /** As in `client`. */
  readonly program: string;
  /** The name of the instance that was given none. */
  readonly usualName: string;
  /** FLUXIFY_RUN_DIR, or /run/fluxify, unless given. */
  readonly directory?: string;
}

function runDirectory({ directory }: Pick<ProgramSockets, "directory">): string {
  return directory ?? (Deno.env.get("FLUXIFY_RUN_DIR") || DEFAULT_DIRECTORY);
}

export function socketPath(sockets: ProgramSockets, instance: string): string {
  const { program, usualName } = sockets;
  const name = instance === usualName ? program : `${program}-${instance}`;
  return join(runDirectory(sockets), name + SUFFIX);
}

/** The instances that take connections at present, by name. Never throws. */
export async function runningInstances(sockets: ProgramSockets): Promise<string[]> {
  const { program, usualName } = sockets;
  const directory = runDirectory(sockets);
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(directory)) {
      if (!name.startsWith(program) || !name.endsWith(SUFFIX)) continue;
      const rest = name.slice(program.length, -SUFFIX.length);
      if (rest !== "" && !rest.startsWith("-")) continue;
      if (await isListening(join(directory, name))) names.push(rest.slice(1) || usualName);
    }
  } catch {
    return []; // there is no such directory, so nothing runs
  }
  return names.sort();
}

/** A socket this user may not connect to is somebody's; a dead one refuses. */
async function isListening(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
}
