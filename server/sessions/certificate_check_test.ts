import { deepEqual, equal } from "node:assert/strict";
import type { Revocation } from "../../lib/pki/revocation_file.ts";
import type { PeerIdentity } from "../control/peer_certificate.ts";
import { certificateCheck } from "./certificate_check.ts";
import type { LiveSession } from "./session_registry.ts";

class Bench {
  nowMs = 1_000_000;
  readonly sessions: LiveSession[] = [];
  readonly said: string[] = [];
  streams: PeerIdentity[] = [];
  news: string[] = [];
  problem: string | null = null;
  /** Sessions that were looked at. */
  looks = 0;
  readonly check = certificateCheck({
    revocations: this.#revocations(),
    registry: {
      endWhere: (mustEnd) => {
        const ended = this.sessions.filter((session) => {
          this.looks++;
          return mustEnd(session);
        });
        for (const each of ended) this.sessions.splice(this.sessions.indexOf(each), 1);
        return ended.map(({ name }) => name);
      },
    },
    streams: {
      endWhere: (mustEnd) => {
        this.streams = this.streams.filter((stream) => !mustEnd(stream));
      },
    },
    nowMs: () => this.nowMs,
    revoked: (name) => this.said.push(`${name} revoked`),
    expired: (name) => this.said.push(`${name} expired`),
    problem: (problem) => this.said.push(problem),
  });

  add(name: string, serialHex: string, notAfterMs = Infinity): void {
    const addresses = { ipv4: "10.8.0.2", ipv6: "fd00:8::2" };
    this.sessions.push({ id: 1, name, serialHex, notAfterMs, addresses, isHeard: true });
  }

  #revocations() {
    // deno-lint-ignore no-this-alias
    const bench = this;
    return {
      poll: () => bench.news.splice(0).map((serial) => ({ serial }) as Revocation),
      get problem() {
        return bench.problem;
      },
    };
  }
}

Deno.test("a certificate that is revoked ends its session, however its serial is written", () => {
  const bench = new Bench();
  bench.add("laptop", "0a1b");
  bench.add("phone", "0C");
  bench.check();
  bench.news = ["A1B"];
  bench.check();
  deepEqual(bench.said, ["laptop revoked"]);
  deepEqual(bench.sessions.map(({ name }) => name), ["phone"]);
});

Deno.test("its streams end, too, and what came in while it was revoked", () => {
  const bench = new Bench();
  const stream = (serialHex: string, notAfterMs = Infinity) =>
    ({ serialHex, notAfterMs }) as PeerIdentity;
  bench.streams = [stream("0a"), stream("0b"), stream("0c", 1_000_500)];
  bench.news = ["A"];
  bench.check();
  bench.streams.push(stream("0a"));
  bench.add("laptop", "0a");
  bench.check();
  deepEqual(bench.streams.map(({ serialHex }) => serialHex), ["0b", "0c"]);
  deepEqual(bench.said, ["laptop revoked"]);
  bench.nowMs += 5_000;
  bench.check();
  deepEqual(bench.streams.map(({ serialHex }) => serialHex), ["0b"]);
});

Deno.test("a certificate that ends is noticed within five seconds, also when the clock is set back", () => {
  const bench = new Bench();
  bench.add("laptop", "01", 1_001_000);
  bench.check();
  bench.nowMs += 4_000;
  bench.check();
  deepEqual(bench.said, []);
  bench.nowMs += 1_000;
  bench.check();
  deepEqual(bench.said, ["laptop expired"]);
  bench.nowMs = 5;
  bench.add("phone", "02", 1);
  bench.check();
  deepEqual(bench.said, ["laptop expired", "phone expired"]);
});

Deno.test("sessions are not looked through each second when nothing was revoked", () => {
  const bench = new Bench();
  for (let count = 0; count < 100; count++) bench.add(`client${count}`, "0f");
  for (let second = 0; second < 10; second++) {
    bench.check();
    bench.nowMs += 1000;
  }
  equal(bench.looks, 200);
});

Deno.test("a list that cannot be read is told once", () => {
  const bench = new Bench();
  bench.problem = "damaged";
  bench.check();
  bench.check();
  bench.problem = null;
  bench.check();
  bench.problem = "gone";
  bench.check();
  deepEqual(bench.said, ["damaged", "gone"]);
});
