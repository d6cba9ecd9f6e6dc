import { type CommandRunner, runChecked } from "../lib/host/command/runner.ts";
import type { SysctlAccess } from "../lib/host/sysctl/sysctl.ts";

/** The parameters a runner's `cat` and `sysctl` see, such as those of another namespace. */
export class CommandSysctl implements SysctlAccess {
  constructor(readonly runner: CommandRunner) {}

  async read(path: string): Promise<string | null> {
    const result = await this.runner.run(["cat", `/proc/sys/${path}`]);
    if (result.code === 0) return result.stdout.trim();
    if (result.stderr.includes("No such file")) return null;
    throw new Error(`Cannot read ${path}: ${result.stderr.trim()}`);
  }

  async write(path: string, value: string): Promise<void> {
    await runChecked(this.runner, ["sysctl", "-q", "-w", `${path}=${value}`]);
  }
}
