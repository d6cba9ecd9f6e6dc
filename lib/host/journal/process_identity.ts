/** Who made a journal, told apart from everything that may later have the same process id. */
export interface ProcessIdentity {
  pid: number;
  /** Ticks since boot, from /proc/PID/stat: a reused process id has another. */
  startTime: string;
  bootId: string;
  /** Inode of the network namespace. */
  network: string;
  /** Inode of the namespace that gives process ids their meaning. */
  processes: string;
}

export async function ownIdentity(): Promise<ProcessIdentity> {
  return {
    pid: Deno.pid,
    startTime: (await startTimeOf(Deno.pid)) ?? "unknown",
    bootId: (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim(),
    network: await namespaceInode("net"),
    processes: await namespaceInode("pid"),
  };
}

/** Whether the process is still there, as far as `own` can see it. A zombie is not. */
export async function isRunning(other: ProcessIdentity, own: ProcessIdentity): Promise<boolean> {
  if (other.bootId !== own.bootId || other.processes !== own.processes) return false;
  return await startTimeOf(other.pid) === other.startTime;
}

/** Undefined for a process that is gone, or dead and only not yet waited for. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  } catch {
    return undefined;
  }
  // The name, in parentheses, may hold spaces and parentheses itself; proc_pid_stat(5).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  return state === "Z" || state === "X" ? undefined : fields[19];
}

async function namespaceInode(kind: "net" | "pid"): Promise<string> {
  return String((await Deno.stat(`/proc/self/ns/${kind}`)).ino);
}
