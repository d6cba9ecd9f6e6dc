/**
 * Paced TCP streams in both directions at once, whose every byte is checked and whose every pause is
 * seen. Two programs:
 *
 *     transfer_program.ts serve PORT
 *     transfer_program.ts run HOST PORT MBIT SECONDS FLOWS
 *
 * `run` opens FLOWS connections; together they carry MBIT in each direction for SECONDS. It prints
 * "running" when all of them have brought something, and one line of JSON (TransferResult) at the
 * end. Content is a function of the position, so a piece lost, doubled or moved is noticed. A flow
 * that has been silent for 25 s is given up.
 *
 *     connection: client first | total bytes u32 | bytes a tick u32 |, then its stream;
 *                 server       its stream, then what it found, as JSON
 */

const TICK_MS = 20;
const SILENCE_MAX_MS = 25_000;
const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_LENGTH = 8;
const PATTERN_LENGTH = 64 * 1024;

/** What arrived in one direction. */
interface Received {
  bytes: number;
  /** Every byte came, in its place. */
  isIntact: boolean;
  longestGapMs: number;
}

export interface TransferResult {
  expectedBytes: number;
  /** Bytes are those of all flows; the gap is the longest of any flow. */
  down: Received;
  up: Received;
}

const PATTERN = makePattern();

function makePattern(): Uint8Array {
  const pattern = new Uint8Array(PATTERN_LENGTH);
  let state = 1;
  for (let i = 0; i < PATTERN_LENGTH; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    pattern[i] = state >>> 24;
  }
  return pattern;
}

/** The byte at `position` of any stream; pages of the pattern differ by their number. */
function byteAt(position: number): number {
  return PATTERN[position % PATTERN_LENGTH]! ^ (Math.floor(position / PATTERN_LENGTH) & 0xff);
}

async function sendStream(connection: Deno.Conn, total: number, perTick: number): Promise<void> {
  const chunk = new Uint8Array(perTick);
  const startMs = performance.now();
  for (let sent = 0, tick = 1; sent < total; tick++) {
    const length = Math.min(perTick, total - sent);
    for (let i = 0; i < length; i++) chunk[i] = byteAt(sent + i);
    for (let done = 0; done < length;) done += await connection.write(chunk.subarray(done, length));
    sent += length;
    const waitMs = startMs + tick * TICK_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Reads `total` bytes, and returns with them what came behind. */
async function receiveStream(
  connection: Deno.Conn,
  total: number,
  onFirst: () => void,
): Promise<[Received, rest: Uint8Array]> {
  const received: Received = { bytes: 0, isIntact: true, longestGapMs: 0 };
  const buffer = new Uint8Array(PATTERN_LENGTH);
  let lastMs = performance.now();
  let rest = new Uint8Array();
  const watchdog = setInterval(() => {
    if (performance.now() - lastMs > SILENCE_MAX_MS) connection.close();
  }, 500);
  try {
    while (received.bytes < total) {
      const length = await connection.read(buffer);
      if (length === null) break;
      const nowMs = performance.now();
      if (received.bytes === 0) onFirst();
      else received.longestGapMs = Math.max(received.longestGapMs, nowMs - lastMs);
      lastMs = nowMs;
      const own = Math.min(length, total - received.bytes);
      for (let i = 0; i < own; i++) {
        if (buffer[i] !== byteAt(received.bytes + i)) received.isIntact = false;
      }
      received.bytes += own;
      rest = buffer.slice(own, length);
    }
  } catch {
    // The connection broke: what has come counts, and the gap that never ended.
    received.longestGapMs = Math.max(received.longestGapMs, performance.now() - lastMs);
  } finally {
    clearInterval(watchdog);
  }
  received.isIntact &&= received.bytes === total;
  return [received, rest];
}

async function serve(port: number): Promise<never> {
  using listener = Deno.listen({ hostname: "::", port });
  console.log("listening");
  for (;;) {
    const connection = await listener.accept();
    answer(connection).catch(() => {}).finally(() => {
      try {
        connection.close();
      } catch {
        // The watchdog was faster.
      }
    });
  }
}

async function answer(connection: Deno.Conn): Promise<void> {
  const request = new Uint8Array(REQUEST_LENGTH);
  for (let length = 0; length < REQUEST_LENGTH;) {
    const read = await connection.read(request.subarray(length));
    if (read === null) return;
    length += read;
  }
  const view = new DataView(request.buffer);
  const total = view.getUint32(0);
  const sending = sendStream(connection, total, view.getUint32(4));
  const [received] = await receiveStream(connection, total, () => {});
  await sending;
  await connection.write(new TextEncoder().encode(JSON.stringify(received)));
  await connection.closeWrite();
}

async function runFlow(
  [hostname, port]: [string, number],
  total: number,
  perTick: number,
  onFirst: () => void,
): Promise<[down: Received, up: Received]> {
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const connection = await Deno.connect({ hostname, port, signal });
  const request = new DataView(new ArrayBuffer(REQUEST_LENGTH));
  request.setUint32(0, total);
  request.setUint32(4, perTick);
  await connection.write(new Uint8Array(request.buffer));
  const sending = sendStream(connection, total, perTick).catch(() => {});
  const [down, rest] = await receiveStream(connection, total, onFirst);
  await sending;
  return [down, await readVerdict(connection, rest)];
}

async function readVerdict(connection: Deno.Conn, start: Uint8Array): Promise<Received> {
  const decoder = new TextDecoder();
  let text = decoder.decode(start);
  const buffer = new Uint8Array(1024);
  try {
    for (;;) {
      const length = await connection.read(buffer);
      if (length === null) break;
      text += decoder.decode(buffer.subarray(0, length));
    }
    connection.close();
    return JSON.parse(text);
  } catch {
    return { bytes: 0, isIntact: false, longestGapMs: 0 };
  }
}

async function run(
  target: [string, number],
  mbit: number,
  seconds: number,
  flows: number,
): Promise<TransferResult> {
  const perTick = Math.ceil(mbit * 1e6 / 8 / flows * TICK_MS / 1000);
  const total = perTick * Math.round(seconds * 1000 / TICK_MS);
  let started = 0;
  const onFirst = () => {
    if (++started === flows) console.log("running");
  };
  const results = await Promise.all(
    Array.from({ length: flows }, () => runFlow(target, total, perTick, onFirst)),
  );
  return {
    expectedBytes: total * flows,
    down: sum(results.map(([down]) => down)),
    up: sum(results.map(([, up]) => up)),
  };
}

function sum(parts: Received[]): Received {
  return {
    bytes: parts.reduce((bytes, part) => bytes + part.bytes, 0),
    isIntact: parts.every((part) => part.isIntact),
    longestGapMs: Math.max(...parts.map((part) => part.longestGapMs)),
  };
}

if (import.meta.main) {
  const [command, first = "", port = "", mbit, seconds, flows] = Deno.args;
  if (command === "serve") await serve(Number(first));
  const target: [string, number] = [first, Number(port)];
  console.log(JSON.stringify(await run(target, Number(mbit), Number(seconds), Number(flows))));
  Deno.exit(0); // a broken connection may leave a read behind
}
