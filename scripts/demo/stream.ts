/**
 * A byte stream whose every byte is checked and whose every pause is seen. Two programs:
 *
 *     stream.ts send PORT SECONDS      waits for one connection and sends for that time
 *     stream.ts receive HOST PORT      reads to the end
 *
 * Both print one line of JSON at the end: how many bytes, their SHA-256, and the receiver also the
 * longest time between two reads that brought something. The content is pseudo-random and never
 * repeats, so a piece lost, doubled or moved changes the hash. The receiver prints "receiving" with
 * the first bytes. It gives up after 15 s without any.
 */

import { createHash, type Hash } from "node:crypto";
import { SeededRandom } from "../emulator/random.ts";

const BLOCK_LENGTH = 64 * 1024;
const SILENCE_MAX_MS = 15_000;
const PAUSE_MS = 30;
const PAUSES_MAX = 1000;
const CONNECT_TIMEOUT_MS = 10_000;

export interface SendResult {
  bytes: number;
  sha256: string;
}

export interface ReceiveResult extends SendResult {
  longestGapMs: number;
  /** The first thousand times of {@link PAUSE_MS} and more without any, by the clock of the machine. */
  pauses: { endedAtMs: number; ms: number }[];
  /** Time from the first byte to the last. */
  durationMs: number;
  /** False when the connection broke or fell silent before its end. */
  ended: boolean;
}

async function send(port: number, seconds: number): Promise<SendResult> {
  using listener = Deno.listen({ hostname: "::", port });
  console.log("listening");
  using connection = await listener.accept();
  const hash = createHash("sha256");
  const block = new Uint8Array(BLOCK_LENGTH);
  const random = new SeededRandom(1);
  const words = new Uint32Array(block.buffer);
  for (let i = 0; i < words.length; i++) words[i] = random.next() * 2 ** 32;
  let bytes = 0;
  const endMs = performance.now() + seconds * 1000;
  for (let number = 0; performance.now() < endMs; number++) {
    words[0] = number;
    hash.update(block);
    for (let sent = 0; sent < block.length;) sent += await connection.write(block.subarray(sent));
    bytes += block.length;
  }
  await connection.closeWrite();
  return { bytes, sha256: digest(hash) };
}

async function receive(hostname: string, port: number): Promise<ReceiveResult> {
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  using connection = await Deno.connect({ hostname, port, signal });
  const hash = createHash("sha256");
  const buffer = new Uint8Array(BLOCK_LENGTH);
  const pauses: ReceiveResult["pauses"] = [];
  const result = { bytes: 0, longestGapMs: 0, pauses, durationMs: 0, ended: false };
  const paused = (ms: number) => {
    result.longestGapMs = Math.max(result.longestGapMs, ms);
    if (ms >= PAUSE_MS && pauses.length < PAUSES_MAX) pauses.push({ endedAtMs: Date.now(), ms });
  };
  let firstMs = 0;
  let lastMs = 0;
  // One timer for the whole transfer: a timer per read would cost more than the read.
  const watchdog = setInterval(() => {
    if (performance.now() - lastMs > SILENCE_MAX_MS && firstMs > 0) connection.close();
  }, 1_000);
  try {
    for (;;) {
      const length = await connection.read(buffer);
      if (length === null) break;
      const nowMs = performance.now();
      if (firstMs === 0) {
        firstMs = nowMs;
        console.log("receiving");
      } else {
        paused(nowMs - lastMs);
      }
      lastMs = nowMs;
      result.bytes += length;
      hash.update(buffer.subarray(0, length));
    }
    result.ended = true;
  } catch {
    // The connection broke; a gap that never ended counts until now.
    paused(performance.now() - lastMs);
  } finally {
    clearInterval(watchdog);
  }
  return { ...result, durationMs: lastMs - firstMs, sha256: digest(hash) };
}

function digest(hash: Hash): string {
  return hash.digest("hex");
}

if (import.meta.main) {
  const [command, first = "", second = ""] = Deno.args;
  const result = command === "send"
    ? await send(Number(first), Number(second))
    : await receive(first, Number(second));
  console.log(JSON.stringify(result));
  Deno.exit(0); // a broken connection may leave a read behind
}
