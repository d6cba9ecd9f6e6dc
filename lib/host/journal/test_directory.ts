import { join } from "node:path";
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

/** The command that runs test_program.ts in a process of its own. */
export function testProgram(...args: string[]): string[] {
  const program = new URL("./test_program.ts", import.meta.url).pathname;
  return [Deno.execPath(), "run", "-A", "--no-lock", "--quiet", program, ...args];
}
