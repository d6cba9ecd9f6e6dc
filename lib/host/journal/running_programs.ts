import type { HostJournal } from "./host_journal.ts";
import { ownerOf, readJournal } from "./journal_file.ts";
import { isRunning, ownIdentity, type ProcessIdentity } from "./process_identity.ts";
import { StateDirectory } from "./state_directory.ts";

interface RunningOptions {
  directory?: string;
  /** That of this process unless given. */
  identity?: ProcessIdentity;
}

/**
 * The other processes of `program` that keep a journal now and change this network namespace, as in
 * `fluxify-client (process 42)`. Throws JournalError when the directory cannot be used.
 */
export async function runningPrograms(
  program: string,
  journal: Pick<HostJournal, "path">,
  { directory, identity }: RunningOptions = {},
): Promise<string[]> {
  const state = await StateDirectory.open(directory);
  const own = identity ?? await ownIdentity();
  const owners: string[] = [];
  for (const path of await state.journalPaths()) {
    if (path === journal.path) continue;
    using file = await Deno.open(path).catch(() => null);
    if (file === null) continue; // its program has just ended
    const { header } = await readJournal(path);
    const isAlive = !await file.tryLock(true) ||
      (header !== undefined && await isRunning(header, own));
    const isOurs = header?.program === program && header.network === own.network;
    if (isAlive && isOurs) owners.push(ownerOf(path, header));
  }
  return owners;
}
