/**
 * Kernel parameters, named by their path below /proc/sys ("net/ipv4/ip_forward": unlike dots,
 * slashes are not ambiguous for an interface called eth0.100). Reading and writing are injected, so
 * that tests work on a model or inside a network namespace. What changes parameters for good goes
 * through the host journal, which puts the previous values back.
 */
import { type CommandRunner, runChecked } from "../command/runner.ts";

export interface SysctlAccess {
  /** The trimmed value, or null when the kernel has no such parameter. */
  read(path: string): Promise<string | null>;
  /** Throws when the kernel has no such parameter or refuses the value. */
  write(path: string, value: string): Promise<void>;
}

const ROOT = "/proc/sys/";

/** The parameters of the network namespace this process is in. */
export class SystemSysctl implements SysctlAccess {
  async read(path: string): Promise<string | null> {
    try {
      return (await Deno.readTextFile(ROOT + checkPath(path))).trim();
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  async write(path: string, value: string): Promise<void> {
    // Neither created nor truncated: the kernel's files know only writing.
    using file = await Deno.open(ROOT + checkPath(path), { write: true });
    await file.write(new TextEncoder().encode(value));
  }
}

/** The parameters a runner's `cat` and `sysctl` see, such as those of another namespace. */
export class CommandSysctl implements SysctlAccess {
  constructor(readonly runner: CommandRunner) {}

  async read(path: string): Promise<string | null> {
    const result = await this.runner.run(["cat", ROOT + checkPath(path)]);
    if (result.code === 0) return result.stdout.trim();
    if (result.stderr.includes("No such file")) return null;
    throw new Error(`Cannot read ${path}: ${result.stderr.trim()}`);
  }

  async write(path: string, value: string): Promise<void> {
    await runChecked(this.runner, ["sysctl", "-q", "-w", `${checkPath(path)}=${value}`]);
  }
}

function checkPath(path: string): string {
  const parts = path.split("/");
  if (parts.every((part) => part !== "" && part !== "." && part !== ".." && !/\s/.test(part))) {
    return path;
  }
  throw new RangeError(`${JSON.stringify(path)} is not the path of a kernel parameter`);
}
