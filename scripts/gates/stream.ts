/**
 * A paced stream of UDP packets as of a call, and how many of them come in time. Two programs:
 *
 *     stream.ts serve PORT                 sends a stream to whoever asks for one, until it is ended
 *     stream.ts ask HOST PORT SECONDS      asks for one; prints one line of JSON
 *
 * Both run on one machine: times are of its clock.
 */
const PACKETS_PER_SECOND = 300;
const PACKET_BYTES = 1000;
/** What does not come within so much is lost. */
const PATIENCE_MS = 2000;
const ASK_EVERY_MS = 500;
/** Beyond the least delay: later packets are of no use to a player that buffers so much. */
const LATE_MS = [50, 100, 200] as const;

export interface StreamOutcome {
  readonly sent: number;
  readonly lost: number;
  /** How many came later than the least delay and 50, 100, 200 ms, the lost ones among them. */
  readonly late: readonly number[];
  readonly medianMs: number;
  readonly worst99Ms: number;
  readonly reordered: number;
}

const clock = () => performance.timeOrigin + performance.now();

async function serve(port: number): Promise<never> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
  console.log("listening");
  let isSending = false;
  for (;;) {
    const [request, from] = await socket.receive();
    if (isSending) continue;
    isSending = true;
    const count = new DataView(request.buffer).getUint32(0);
    send(socket, from, count).finally(() => isSending = false);
  }
}

async function send(socket: Deno.DatagramConn, to: Deno.Addr, count: number): Promise<void> {
  const packet = new Uint8Array(PACKET_BYTES);
  const view = new DataView(packet.buffer);
  const begun = clock();
  for (let number = 0; number < count; number++) {
    const waitMs = begun + number * 1000 / PACKETS_PER_SECOND - clock();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    view.setUint32(0, number);
    view.setFloat64(4, clock());
    await socket.send(packet, to);
  }
}

async function ask(hostname: string, port: number, seconds: number): Promise<StreamOutcome> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const count = seconds * PACKETS_PER_SECOND;
  const delays = new Map<number, number>();
  let reordered = 0;
  let highest = -1;
  const receive = async () => {
    for (;;) {
      const [packet] = await socket.receive();
      const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
      const number = view.getUint32(0);
      if (number < highest) reordered++;
      highest = Math.max(highest, number);
      if (!delays.has(number)) delays.set(number, clock() - view.getFloat64(4));
    }
  };
  receive().catch(() => {}); // ends with the socket
  const request = new Uint8Array(4);
  new DataView(request.buffer).setUint32(0, count);
  const until = clock() + seconds * 1000 + PATIENCE_MS;
  while (clock() < until) {
    // The request may get lost.
    if (delays.size === 0) await socket.send(request, { transport: "udp", hostname, port });
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
  const sorted = [...delays.values()].sort((one, other) => one - other);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
  const lost = count - sorted.length;
  return {
    ...{ sent: count, lost, medianMs: at(0.5), worst99Ms: at(0.99), reordered },
    late: LATE_MS.map((ms) => lost + sorted.filter((delay) => delay > sorted[0]! + ms).length),
  };
}

if (import.meta.main) {
  const [command, ...rest] = Deno.args;
  if (command === "serve") await serve(Number(rest[0]));
  console.log(JSON.stringify(await ask(rest[0]!, Number(rest[1]), Number(rest[2]))));
  Deno.exit(0);
}
