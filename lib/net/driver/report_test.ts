import { deepEqual } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { Session } from "../../protocol/session/session.ts";
import { NO_RULE } from "../../protocol/wire/path_rule.ts";
import { reportSession } from "./report.ts";

/** What the report reads of a session with one path, in that state. */
function sessionWith(state: string): Session<Cipher, Cipher> {
  const quality = {
    rtt: { smoothedMs: 20, lastMs: 21, minimumMs: 19 },
    jitterMs: 1,
    loss: () => 0.01,
    score: () => 90,
    deliveryRate: 1000,
    sentRate: 500,
  };
  const path = {
    id: 0,
    name: "fiber",
    peer: "192.0.2.1:8000",
    liveness: { state },
    eligibility: { reason: null },
    rule: NO_RULE,
    quality,
    receiveStatistics: { delayVariationMs: 1 },
    mtu: 1400,
    lastHeardAt: 900,
    counters: {},
  };
  const scheduling = { scheduler: { name: "flow", loadOf: () => ({}) } };
  const session = {
    id: 1,
    paths: [path],
    scheduling,
    packetBytesMax: Infinity,
    wire: { name: "x1" },
  };
  return session as unknown as Session<Cipher, Cipher>;
}

Deno.test("a path that is down has no score: what was measured before says nothing of it", () => {
  const scores = ["probing", "up", "suspect", "down"].map((state) =>
    reportSession(sessionWith(state), { name: "alice", mtu: 1400 }, {} as never, {} as never, 1000)
      .paths[0]!.score
  );
  deepEqual(scores, [90, 90, 90, null]);
});
