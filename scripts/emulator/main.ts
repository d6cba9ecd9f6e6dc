/**
 * The link emulator: cables between pairs of TAP devices with a rate, a delay, a queue and losses of
 * their own, for kernels without netem. It runs in its own process, in the network namespace where
 * the devices are to be made; whoever started it moves them where they are needed.
 *
 *     deno run -A scripts/emulator/main.ts '{"links":[{"name":"dsl","down":{"rateMbit":20}}]}'
 *
 * It prints {"ready":true} once the devices exist, obeys requests (control.ts) on standard input,
 * and ends, with its devices, when that is closed.
 *
 * One thread: wait for a frame or the next delivery, take what came, deliver what is due.
 */

import {
  type Configuration,
  parseConfiguration,
  parseRequest,
  type Reply,
  type Request,
} from "./control.ts";
import { addressOf, openLibc, Poll, sharpenTimers } from "./libc.ts";
import { type Conveyor, Link } from "./link.ts";

const WAIT_MAX_MS = 1_000;
/** Deliveries this close together share one wake-up. */
const WAIT_MIN_MS = 0.05;
const STDIN = 0;
const REQUEST_LENGTH_MAX = 64 * 1024;

function runEmulator(configuration: Configuration): void {
  const libc = openLibc();
  sharpenTimers(libc);
  const links = configuration.links.map((link, i) =>
    new Link(libc, link, configuration.seed + 2 * i)
  );
  // Index 0 of the poll set is standard input; the others belong to `conveyors[index - 1]`.
  const conveyors = links.flatMap((link) => [link.up, link.down]);
  const poll = new Poll(libc, [STDIN, ...links.flatMap((link) => [link.a, link.b])]);
  const requests = new RequestReader(libc);
  print({ ready: true });

  let nowMs = performance.now();
  for (;;) {
    poll.wait(waitMs(conveyors, nowMs));
    nowMs = performance.now();
    for (let i = 0; i < conveyors.length; i++) {
      const readiness = poll.readiness(i + 1);
      if (readiness === "readable") conveyors[i]!.receive(nowMs);
      if (readiness === "gone") poll.forget(i + 1);
    }
    for (const conveyor of conveyors) conveyor.deliver(nowMs);
    if (poll.readiness(0) !== "nothing") {
      const lines = requests.read();
      if (lines === null) return;
      for (const line of lines) print(answer(line, links, nowMs));
    }
  }
}

function waitMs(conveyors: readonly Conveyor[], nowMs: number): number {
  let nextMs = nowMs + WAIT_MAX_MS;
  for (const { model } of conveyors) nextMs = Math.min(nextMs, model.nextTimeoutMs());
  return Math.max(WAIT_MIN_MS, nextMs - nowMs);
}

function answer(line: string, links: readonly Link[], nowMs: number): Reply {
  let request: Request;
  try {
    request = parseRequest(line);
  } catch (error) {
    return { error: (error as Error).message };
  }
  if (request.kind === "statistics") {
    return {
      statistics: Object.fromEntries(
        links.map(({ name, up, down }) => [name, {
          up: up.statistics(),
          down: down.statistics(),
        }]),
      ),
    };
  }
  const { link: name, direction, settings } = request;
  const link = links.find((link) => link.name === name);
  if (!link) return { error: `Cannot change link "${name}": there is none of that name` };
  if (direction !== "down") link.up.model.change(settings, nowMs);
  if (direction !== "up") link.down.model.change(settings, nowMs);
  return { changed: name };
}

/** Lines from standard input, without waiting: `read` only when poll says there is something. */
class RequestReader {
  #libc: ReturnType<typeof openLibc>;
  #bytes = new Uint8Array(REQUEST_LENGTH_MAX);
  #address = addressOf(this.#bytes);
  #decoder = new TextDecoder();
  #rest = "";

  constructor(libc: ReturnType<typeof openLibc>) {
    this.#libc = libc;
  }

  /** Whole lines; null at the end of the input, or when a line is longer than any request. */
  read(): string[] | null {
    const length = this.#libc.read(STDIN, this.#address, BigInt(this.#bytes.length));
    if (length <= 0) return null;
    this.#rest += this.#decoder.decode(this.#bytes.subarray(0, length), { stream: true });
    const lines = this.#rest.split("\n");
    this.#rest = lines.pop() ?? "";
    return this.#rest.length > REQUEST_LENGTH_MAX ? null : lines.filter((line) => line !== "");
  }
}

function print(line: Reply | { ready: true }): void {
  const bytes = new TextEncoder().encode(JSON.stringify(line) + "\n");
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}

if (import.meta.main) {
  try {
    runEmulator(parseConfiguration(Deno.args[0] ?? ""));
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
