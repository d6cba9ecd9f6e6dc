/**
 * A program for the router of the lab: learns real datagrams as they pass, then sends bad ones to
 * both ends.
 *
 *     hostile_sender.ts LINK SERVER_INTERFACE
 *
 * Prints "captured" when it knows enough. Each line "N RATE" on standard input makes it send N
 * datagrams, RATE a second, every second one to the server, and print one line of JSON, SentCounts.
 */

import { TextLineStream } from "./text_lines.ts";
import { type Captured, HostileFrames, KINDS, recordsIn } from "./hostile_frame.ts";
import { PacketSocket } from "./packet_socket.ts";

const DATA_PORT = 8000;
/** Real datagrams kept of each direction. */
const CAPTURED_MAX = 64;
const LOOK_EVERY_MS = 5;
const BURST_MS = 5;
/** An address of the client's link that nobody has: 10.71.1.77. */
const STRANGER = 0x0a47014d;

export interface SentCounts {
  toServer: number;
  toClient: number;
  /** The kernel did not take them. */
  refused: number;
}

class Target {
  readonly real: Captured[] = [];

  constructor(readonly socket: PacketSocket) {}

  /** Learns what has passed since. */
  look(): void {
    for (let frame = this.socket.nextSent(); frame; frame = this.socket.nextSent()) {
      if (this.real.length < CAPTURED_MAX) this.real.push(...recordsIn(frame, DATA_PORT));
    }
  }
}

async function main([link = "", serverInterface = ""]: string[]): Promise<void> {
  const client = new Target(new PacketSocket(link));
  const server = new Target(new PacketSocket(serverInterface));
  while (client.real.length < CAPTURED_MAX || server.real.length < CAPTURED_MAX) {
    client.look();
    server.look();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  console.log("captured");
  const frames = new HostileFrames();
  for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    const [count = 0, rate = 1] = line.split(" ").map(Number);
    console.log(JSON.stringify(await send(frames, client, server, count, rate)));
  }
}

async function send(
  frames: HostileFrames,
  client: Target,
  server: Target,
  count: number,
  rate: number,
): Promise<SentCounts> {
  const sent: SentCounts = { toServer: 0, toClient: 0, refused: 0 };
  const startMs = performance.now();
  for (let number = 0; number < count; number++) {
    const isToServer = number % 2 === 0;
    const [target, other] = isToServer ? [server, client] : [client, server];
    const kind = KINDS[(number >> 1) % KINDS.length]!;
    const real = target.real[(number >> 4) % target.real.length]!;
    // The client's sockets are connected: only what claims to be the server reaches them.
    const isForged = isToServer && (number >> 5) % 2 === 0;
    const source: [number, number] | null = isForged ? [STRANGER, 1024 + number % 60_000] : null;
    const frame = frames.make(kind, real, other.real[number % other.real.length]!, source);
    if (!target.socket.send(frame)) sent.refused++;
    else if (isToServer) sent.toServer++;
    else sent.toClient++;
    const aheadMs = (number + 1) * 1000 / rate - (performance.now() - startMs);
    if (aheadMs > BURST_MS) await new Promise((resolve) => setTimeout(resolve, aheadMs));
  }
  return sent;
}

if (import.meta.main) await main(Deno.args);
