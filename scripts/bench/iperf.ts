/** One run of iperf3 from the client's namespace to the server's. */

import type { Namespace } from "../../tests/netns/namespace.ts";

const PORT = "5201";

/** IP length of the packets of `udpRun`. */
const UDP_PACKET_BYTES = 1400;
const UDP_PAYLOAD_BYTES = UDP_PACKET_BYTES - 20 - 8;

/** Without it iperf3 itself loses the first packets, which come before it reads. */
const UDP_SOCKET_BUFFER = "2M";
const START_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** On top of the run itself. */
const PATIENCE_MS = 4_000;

/** Up: from the client to the server. */
type Direction = "up" | "down";

interface TcpResult {
  /** What arrived. */
  bytes: number;
  /** Payload that arrived, 10^6 bit/s. */
  megabits: number;
}

export interface UdpResult {
  sentPerSecond: number;
  receivedPerSecond: number;
  /** 0 to 1. */
  loss: number;
}

interface Ends {
  client: Namespace;
  server: Namespace;
}

/** Throws when the tunnel did not carry the traffic. */
export async function tcpRun(
  ends: Ends,
  address: string,
  options: { flows: number; direction: Direction; seconds: number },
): Promise<TcpResult> {
  const { flows, direction, seconds } = options;
  const reverse = direction === "down" ? ["--reverse"] : [];
  return parseTcp(await iperf(ends, address, seconds, "-P", String(flows), ...reverse));
}

/** UDP packets of 1400 bytes from the client to the server, as evenly as iperf3 can. */
export async function udpRun(
  ends: Ends,
  address: string,
  options: { packetsPerSecond: number; seconds: number },
): Promise<UdpResult> {
  const bitsPerSecond = Math.round(options.packetsPerSecond * UDP_PAYLOAD_BYTES * 8);
  return parseUdp(
    await iperf(
      ...[ends, address, options.seconds, "--udp", "--bandwidth", String(bitsPerSecond)] as const,
      ...["--length", String(UDP_PAYLOAD_BYTES), "--window", UDP_SOCKET_BUFFER],
    ),
  );
}

// A server for each run: one whose client failed may take no other for a long time.
async function iperf(
  { client, server }: Ends,
  address: string,
  seconds: number,
  ...options: string[]
): Promise<string> {
  const listener = server.spawn(["iperf3", "-s", "-1", "-p", PORT, "--forceflush"]);
  try {
    await listener.waitForLine(/listening/, START_TIMEOUT_MS);
    const { stdout } = await client.runWith(
      { timeoutMs: seconds * 1000 + PATIENCE_MS },
      ...["iperf3", "-c", address, "-p", PORT, "--json", "--time", String(seconds)],
      ...["--connect-timeout", String(CONNECT_TIMEOUT_MS), ...options],
    );
    return stdout;
  } finally {
    await listener.stop("SIGKILL");
  }
}

interface IperfSum {
  bytes: number;
  bits_per_second: number;
  seconds: number;
  packets?: number;
}

/** Reads what `iperf3 --json` printed. Throws when it holds no result. */
export function parseTcp(text: string): TcpResult {
  const { received } = parseSums(text);
  return { bytes: received.bytes, megabits: received.bits_per_second / 1e6 };
}

/** Reads what `iperf3 --udp --json` printed. Throws when it holds no result. */
export function parseUdp(text: string): UdpResult {
  const { sent, received } = parseSums(text);
  const sentPackets = sent.packets;
  if (typeof sentPackets !== "number" || sentPackets === 0) throw new Error(NO_RESULT);
  const receivedPackets = received.bytes / UDP_PAYLOAD_BYTES;
  return {
    sentPerSecond: sentPackets / sent.seconds,
    receivedPerSecond: receivedPackets / sent.seconds,
    // Not iperf3's own figure: packets missing at the very end are none of its business.
    loss: Math.max(0, 1 - receivedPackets / sentPackets),
  };
}

const NO_RESULT = "Cannot use iperf3's report: it holds no result";

function parseSums(text: string): { sent: IperfSum; received: IperfSum } {
  const end = JSON.parse(text)?.end;
  const [sent, received] = [end?.sum_sent, end?.sum_received];
  for (const sum of [sent, received]) {
    for (const field of ["bytes", "bits_per_second", "seconds"]) {
      if (typeof sum?.[field] !== "number") throw new Error(NO_RESULT);
    }
  }
  return { sent, received };
}
