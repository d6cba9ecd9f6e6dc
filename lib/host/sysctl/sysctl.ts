/**
 * Kernel parameters, named by their path below /proc/sys ("net/ipv4/ip_forward": unlike dots,
 * slashes are not ambiguous for an interface called eth0.100). Reading and writing are injected, so
 * that tests work on a model or inside a network namespace. What changes parameters for good goes
 * through the host journal, which puts the previous values back.
 */
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

function checkPath(path: string): string {
  const parts = path.split("/");
  if (parts.every((part) => part !== "" && part !== "." && part !== ".." && !/\s/.test(part))) {
    return path;
  }
  throw new RangeError(`${JSON.stringify(path)} is not the path of a kernel parameter`);
}
