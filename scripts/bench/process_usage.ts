/**
 * What the kernel says a process has used.
 *
 * CPU time is user and system time of all its threads. It includes what the kernel did in the
 * process's own context, and on a veth link that is a lot: the system call that sends a datagram
 * also carries it through the other end's network stack to its socket, and the write to a TUN
 * device runs iperf3's TCP. So a figure holds nearly all work of the data path but iperf3's own
 * system calls; it is the same for all tunnels compared, and does not compare with figures of a
 * network card.
 */

/** Ticks of /proc per second, the same on every architecture Deno runs on. */
const USER_HZ = 100;
const KIB_PER_MIB = 1024;

/** Seconds of CPU time so far, in steps of 10 ms. Throws when there is no such process. */
export function cpuSeconds(pid: number): number {
  return parseCpuSeconds(Deno.readTextFileSync(`/proc/${pid}/stat`));
}

/** Resident memory in MiB. Throws when there is no such process. */
export function residentMib(pid: number): number {
  return parseResidentMib(Deno.readTextFileSync(`/proc/${pid}/status`));
}

/** Reads /proc/PID/stat, proc(5). */
export function parseCpuSeconds(stat: string): number {
  // The second field, the program's name in brackets, may hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])];
  const seconds = (userTicks + systemTicks) / USER_HZ;
  if (Number.isNaN(seconds)) throw new Error("Cannot read CPU times from /proc");
  return seconds;
}

/** Reads /proc/PID/status, proc(5). */
export function parseResidentMib(status: string): number {
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error("Cannot read the resident memory from /proc");
  return Number(kib) / KIB_PER_MIB;
}
