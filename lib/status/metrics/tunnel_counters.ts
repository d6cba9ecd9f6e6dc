/** The kernel's counters of one interface: proc_pid_net(5), /proc/net/dev. */

interface InterfaceCounters {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
}

/** Columns behind the name: eight of what was received, then those of what was sent. */
const RECEIVED_AT = 0;
const SENT_AT = 8;

/** Null when there is no interface of that name in this network namespace. */
export async function tunnelCounters(
  device: string,
  read: (path: string) => Promise<string> = (path) => Deno.readTextFile(path),
): Promise<InterfaceCounters | null> {
  const text = await read("/proc/net/dev").catch(() => "");
  const line = text.split("\n").find((line) => line.trimStart().startsWith(`${device}:`));
  if (line === undefined) return null;
  const numbers = line.slice(line.indexOf(`${device}:`) + device.length + 1).trim().split(/\s+/)
    .map(Number);
  if (numbers.length < SENT_AT + 2 || numbers.some((number) => !Number.isFinite(number))) {
    return null;
  }
  return {
    receivedBytes: numbers[RECEIVED_AT]!,
    receivedPackets: numbers[RECEIVED_AT + 1]!,
    sentBytes: numbers[SENT_AT]!,
    sentPackets: numbers[SENT_AT + 1]!,
  };
}
