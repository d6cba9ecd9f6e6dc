/**
 * The ports on which programs of this machine, in this network namespace, wait for others. From
 * /proc/net/tcp and its like (proc_net_tcp(5)): `sl local_address rem_address st ...`, in hexadecimal.
 */
const TABLES = {
  tcp: ["/proc/net/tcp", "/proc/net/tcp6"],
  udp: ["/proc/net/udp", "/proc/net/udp6"],
} as const;
/** TCP_LISTEN, and what a UDP socket is in as long as it is connected to nobody (TCP_CLOSE). */
const WAITING = { tcp: "0A", udp: "07" } as const;

/** Empty where the tables cannot be read. */
export async function listeningPorts(protocol: "tcp" | "udp"): Promise<Set<number>> {
  const ports = new Set<number>();
  for (const path of TABLES[protocol]) {
    for (const port of waitingIn(await readTable(path), WAITING[protocol])) ports.add(port);
  }
  return ports;
}

async function readTable(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return ""; // a kernel without that family, or a /proc that hides it
  }
}

/** The local ports in `table` that are in `state` and not bound to the loopback address alone. */
export function waitingIn(table: string, state: string): number[] {
  return table.split("\n").flatMap((line) => {
    const [, address, port, found] =
      /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line) ?? [];
    if (port === undefined || found !== state || isLoopback(address!)) return [];
    return [Number.parseInt(port, 16)];
  });
}

/** 127.0.0.0/8 or ::1, in words of four bytes as a machine with the low byte first writes them. */
function isLoopback(address: string): boolean {
  return address.length === 8
    ? address.endsWith("7F")
    : address === "00000000000000000000000001000000";
}
