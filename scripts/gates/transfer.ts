/** One measured transfer of iperf3 in the lab, with pings beside it. */
import type { Namespace } from "../../tests/netns/namespace.ts";

const PORT = "5201";
const START_TIMEOUT_MS = 10_000;
const PATIENCE_MS = 20_000;
const PING_INTERVAL_SECONDS = 0.1;
/** Of packets of 1400 bytes. */
const UDP_PAYLOAD_BYTES = 1372;

export interface TransferOptions {
  readonly control: string;
  readonly flows: number;
  readonly direction: "up" | "down";
  readonly seconds: number;
  /** Seconds at the start that do not count. */
  readonly rampSeconds: number;
  /** Interface to bind to; through the routing table without. */
  readonly link?: string;
  /** Whether the sockets are those of kernel MPTCP. */
  readonly isMptcp?: boolean;
}

interface Transfer {
  readonly mbit: number;
  /** Of the pings that came back beside it, in ms; NaN when none were sent. */
  readonly pingMedianMs: number;
  readonly ping95Ms: number;
}

/** Mbit/s that arrived from or at `server`. Throws when iperf3 could not measure. */
export async function transfer(
  client: Namespace,
  server: Namespace,
  address: string,
  options: TransferOptions,
): Promise<Transfer> {
  const { control, flows, direction, seconds, rampSeconds, link, isMptcp = false } = options;
  const program = isMptcp ? ["mptcpize", "run", "iperf3"] : ["iperf3"];
  const listener = server.spawn([...program, "-s", "-1", "-p", PORT, "--forceflush"]);
  try {
    await listener.waitForLine(/listening/, START_TIMEOUT_MS);
    const isTunnel = link === undefined && !isMptcp;
    const pings = isTunnel ? ping(client, address, seconds) : null;
    const { stdout } = await client.runWith(
      { timeoutMs: (seconds + rampSeconds) * 1000 + PATIENCE_MS },
      ...[...program, "-c", address, "-p", PORT, "--json", "--connect-timeout", "9000"],
      ...["-t", String(seconds), "-O", String(rampSeconds), "-P", String(flows)],
      ...["-C", control],
      ...(direction === "down" ? ["--reverse"] : []),
      ...(link === undefined ? [] : ["--bind-dev", link]),
    );
    const bits: unknown = JSON.parse(stdout)?.end?.sum_received?.bits_per_second;
    if (typeof bits !== "number") throw new Error("iperf3 reported no received rate");
    return { mbit: bits / 1e6, ...await pings ?? { pingMedianMs: NaN, ping95Ms: NaN } };
  } finally {
    await listener.stop("SIGKILL");
  }
}

/** UDP from `server` at an even pace. Shares that did not arrive, and that overtook others. */
export async function pacedUdp(
  client: Namespace,
  server: Namespace,
  address: string,
  { mbit, seconds }: { readonly mbit: number; readonly seconds: number },
): Promise<{ lost: number; reordered: number }> {
  const listener = server.spawn(["iperf3", "-s", "-1", "-p", PORT, "--forceflush"]);
  try {
    await listener.waitForLine(/listening/, START_TIMEOUT_MS);
    const { stdout } = await client.runWith(
      { timeoutMs: seconds * 1000 + PATIENCE_MS },
      ...["iperf3", "-c", address, "-p", PORT, "--json", "--connect-timeout", "9000", "--reverse"],
      ...["--udp", "--bandwidth", `${mbit}M`, "--length", String(UDP_PAYLOAD_BYTES)],
      ...["--window", "2M", "--time", String(seconds)],
    );
    const { packets, lost_packets, out_of_order } = JSON.parse(stdout).end.streams[0].udp;
    if (!(packets > 0)) throw new Error("iperf3 reported no packets");
    return { lost: lost_packets / packets, reordered: out_of_order / packets };
  } finally {
    await listener.stop("SIGKILL");
  }
}

/** Pings ten times a second for so long. */
export async function ping(client: Namespace, address: string, seconds: number) {
  const count = Math.round(seconds / PING_INTERVAL_SECONDS);
  const interval = String(PING_INTERVAL_SECONDS);
  const { stdout } = await client.runWith(
    { timeoutMs: seconds * 1000 + PATIENCE_MS },
    ...["ping", "-n", "-c", String(count), "-i", interval, "-W", "2", address],
  );
  const times = [...stdout.matchAll(/ time=([\d.]+) ms/g)].map(([, time]) => Number(time));
  times.sort((one, other) => one - other);
  const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? NaN;
  return { pingMedianMs: at(0.5), ping95Ms: at(0.95) };
}
