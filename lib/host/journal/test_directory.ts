import { join } from "node:path";
import type { CommandRunner } from "../command/runner.ts";
import { HostJournal, type JournalOptions } from "./host_journal.ts";
import { ownIdentity, type ProcessIdentity } from "./process_identity.ts";

/** For tests: a state directory of its own, gone at the end. */
export class TestDirectory implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async create(): Promise<TestDirectory> {
    return new TestDirectory(await Deno.makeTempDir({ prefix: "fluxify-journal-" }));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async journals(): Promise<string[]> {
    const names = await Array.fromAsync(Deno.readDir(this.path), (entry) => entry.name);
    return names.filter((name) => name.includes(".journal")).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** A process of this boot and namespace that has ended: no process is as old as the kernel. */
export async function deadIdentity(): Promise<ProcessIdentity> {
  return { ...await ownIdentity(), startTime: "0" };
}

/** For tests: a journal in `directory`, of this process unless `more` says otherwise. */
export async function openJournal(
  runner: CommandRunner,
  directory: TestDirectory,
  more: Partial<JournalOptions> = {},
): Promise<HostJournal> {
  const { path } = directory;
  return await HostJournal.open({ program: "fluxify-test", runner, directory: path, ...more });
}

/** For tests: the same of a process that is gone. */
export async function openDeadJournal(
  runner: CommandRunner,
  directory: TestDirectory,
  more: Partial<JournalOptions> = {},
): Promise<HostJournal> {
  return await openJournal(runner, directory, { identity: await deadIdentity(), ...more });
}

/** The command that runs test_program.ts in a process of its own. */
export function testProgram(...args: string[]): string[] {
  const program = new URL("./test_program.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "-A", "--no-lock", "--quiet", program, ...args];
}
