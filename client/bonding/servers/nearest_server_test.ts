/** Hours of a client between a near and a far server, on a clock of the test's. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ServerChoice } from "./server_choice.ts";

const SECOND_MS = 1000;
const MINUTE_S = 60;

/** What the client does with its choice, second by second. */
class Client {
  readonly choice = new ServerChoice(2, "nearest");
  /** Which server it went to, and when. */
  readonly moves: { server: number; second: number }[] = [];
  /** Round trips in ms; null: the server is down. */
  readonly #rttOf: (server: number, second: number) => number | null;
  #second = 0;
  #isUp = false;

  constructor(rttOf: (server: number, second: number) => number | null) {
    this.#rttOf = rttOf;
    for (const server of [0, 1]) this.#probe(server);
  }

  run(seconds: number): this {
    for (let left = seconds; left > 0; left--, this.#second++) {
      const nowMs = this.#second * SECOND_MS;
      const { current } = this.choice;
      if (this.#isUp && this.#rttOf(current!, this.#second) === null) {
        this.#isUp = false;
        this.choice.lost(nowMs);
      }
      if (!this.#isUp) this.#request(current === null ? "first" : "lost");
      for (const server of this.choice.probesDue(nowMs)) this.#probe(server);
      const better = this.choice.better(nowMs);
      if (better === null) continue;
      this.choice.aimAt(better);
      this.#request("renewal");
    }
    return this;
  }

  #request(what: "first" | "lost" | "renewal"): void {
    const nowMs = this.#second * SECOND_MS;
    for (const server of this.choice.plan(what, nowMs)) {
      if (this.#rttOf(server, this.#second) === null) {
        this.choice.failed(server, nowMs);
        continue;
      }
      if (server !== this.moves.at(-1)?.server) this.moves.push({ server, second: this.#second });
      this.choice.granted(server, nowMs);
      this.#isUp = true;
      return;
    }
  }

  #probe(server: number): void {
    const nowMs = this.#second * SECOND_MS;
    const rttMs = this.#rttOf(server, this.#second);
    if (rttMs === null) this.choice.silent(server, nowMs);
    else this.choice.answered(server, { rttMs, load: 0, isDraining: false }, nowMs);
  }
}

Deno.test("the near one is taken, the far one while it is down, and the near one again, once", () => {
  const downFrom = 2 * MINUTE_S;
  const downUntil = 5 * MINUTE_S;
  const client = new Client((server, second) =>
    server === 1 ? 60 : second >= downFrom && second < downUntil ? null : 10
  );
  client.run(60 * MINUTE_S);
  deepEqual(client.moves.map(({ server }) => server), [0, 1, 0]);
  equal(client.moves[1]!.second, downFrom);
  const backAfter = client.moves[2]!.second - downUntil;
  ok(backAfter <= 10 * MINUTE_S, `${backAfter} s`);
});

Deno.test("servers whose distances are exchanged slowly are changed once", () => {
  const hourly = (second: number) => Math.min(1, second / (60 * MINUTE_S));
  const client = new Client((server, second) => {
    const far = server === 0 ? hourly(second) : 1 - hourly(second);
    return 10 + 50 * far;
  });
  client.run(3 * 60 * MINUTE_S);
  deepEqual(client.moves.map(({ server }) => server), [0, 1]);
});

Deno.test("a near server that goes up and down all the time moves nobody about", () => {
  const client = new Client((server, second) =>
    server === 1 ? 60 : second % (4 * MINUTE_S) < 2 * MINUTE_S ? 10 : null
  );
  client.run(6 * 60 * MINUTE_S);
  ok(client.moves.length <= 12, `${client.moves.length} moves in six hours`);
});

Deno.test("however round trips jitter, a client moves every five minutes at most", () => {
  const jitter = fc.array(fc.integer({ min: 5, max: 200 }), { minLength: 2, maxLength: 50 });
  fc.assert(fc.property(jitter, jitter, (one, other) => {
    const client = new Client((server, second) => {
      const rtts = server === 0 ? one : other;
      return rtts[Math.floor(second / 7) % rtts.length]!;
    });
    client.run(60 * MINUTE_S);
    ok(client.moves.length <= 12, `${client.moves.length} moves`);
    for (const [index, { second }] of client.moves.entries()) {
      const next = client.moves[index + 1];
      if (next !== undefined) ok(next.second - second >= 5 * MINUTE_S);
    }
  }));
});
