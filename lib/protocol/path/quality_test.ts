import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { PathFeedback } from "../wire/path_feedback.ts";
import { PathQuality, RATE_KEPT_MS } from "./quality.ts";

const INTERVAL_MS = 100;

interface Interval {
  readonly sent?: number;
  readonly lost?: number;
  readonly bytes?: number;
  readonly queueMs?: number;
  readonly jitterMs?: number;
}

/** A path and what tells it, each 100 ms, what arrived of that time. */
function setUp() {
  const quality = new PathQuality();
  let now = 0;
  let told: PathFeedback = {
    ...{ received: 0, expected: 0, bytes: 0, echo: 0, hold: 0, clock: 0 },
    ...{ queueDelay: 0, jitter: 0 },
  };
  quality.feedbackReceived(told, now);
  const tell = (interval: Interval) => {
    const { sent = 100, lost = 0, bytes = 0, queueMs = 0, jitterMs = 0 } = interval;
    now += INTERVAL_MS;
    told = {
      ...told,
      received: (told.received + sent - lost) >>> 0,
      expected: (told.expected + sent) >>> 0,
      bytes: (told.bytes + bytes) >>> 0,
      clock: (now * 1000) >>> 0,
      queueDelay: queueMs * 1000,
      jitter: jitterMs * 1000,
    };
    quality.feedbackReceived(told, now);
    return now;
  };
  return { quality, tell, told: () => told };
}

/** Has the path carry so much, up to `now`. */
function load(quality: PathQuality, bytesPerSecond: number, now: number): void {
  quality.noteCarried(0, 0, now - 1000);
  quality.noteCarried(bytesPerSecond, 0, now);
}

Deno.test("nothing is known before anything is measured", () => {
  const quality = new PathQuality();
  const { jitterMs, deliveryRate, isVanishing } = quality;
  deepEqual([quality.judgedRttMs(0), jitterMs, quality.loss(0)], [null, null, null]);
  deepEqual([deliveryRate, isVanishing, quality.score(0)], [null, false, null]);
});

Deno.test("loss is what the receiver misses", () => {
  const { quality, tell } = setUp();
  const now = tell({ sent: 100, lost: 5 });
  equal(quality.loss(now), 0.05);
  equal(quality.judgedLoss(now), 0.05);
  equal(quality.judgedLostCount(now), 5);
});

Deno.test("what is lost while a queue is filled does not count against the path", () => {
  const { quality, tell } = setUp();
  tell({ lost: 30, queueMs: 40 });
  const now = tell({ lost: 30 });
  equal(quality.loss(now), 0.3);
  equal(quality.judgedLoss(now), 0, "the queue was filled when the interval began");
  equal(quality.judgedLoss(tell({ lost: 30 })), 0.1);
});

Deno.test("a least delay within twice the jitter is no filled queue", () => {
  const { quality, tell } = setUp();
  equal(quality.judgedLoss(tell({ lost: 10, queueMs: 19, jitterMs: 10 })), 0.1);
  equal(quality.judgedLoss(tell({ lost: 10, queueMs: 20, jitterMs: 10 })), 0.05);
  const other = setUp();
  equal(other.quality.judgedLoss(other.tell({ lost: 10, queueMs: 4.9 })), 0.1);
  equal(other.quality.judgedLoss(other.tell({ lost: 10, queueMs: 5 })), 0.05);
});

Deno.test("the first interval after a silence is no loss of the path's", () => {
  const { quality, tell } = setUp();
  quality.forgetLoss();
  const now = tell({ lost: 90 });
  equal(quality.loss(now), null);
  equal(quality.loss(tell({ lost: 1 })), 0.01);
});

Deno.test("feedback that was overtaken says nothing", () => {
  const { quality, tell, told } = setUp();
  const early = told();
  tell({ lost: 10 });
  const now = tell({ lost: 10, jitterMs: 7 });
  quality.feedbackReceived(early, now);
  quality.feedbackReceived(told(), now);
  equal(quality.loss(now), 0.1);
  equal(quality.jitterMs, 7);
  equal(quality.loss(tell({ lost: 10 })), 0.1, "the next one is compared with the newest");
});

Deno.test("counts that begin anew are no loss and no rate", () => {
  const { quality, tell, told } = setUp();
  for (let interval = 0; interval < 9; interval++) tell({ bytes: 100_000, queueMs: 20 });
  const now = tell({ bytes: 100_000, queueMs: 20 });
  equal(quality.deliveryRate, 1_000_000);
  // The peer has made the path anew.
  const first = { ...told(), received: 40, expected: 41, bytes: 40_000 };
  quality.feedbackReceived({ ...first, clock: (now + 100) * 1000 }, now + 100);
  equal(quality.deliveryRate, 1_000_000);
  equal(quality.loss(now + 100), 0);
  const second = { ...first, received: 120, expected: 141, clock: (now + 200) * 1000 };
  quality.feedbackReceived(second, now + 200);
  equal(quality.loss(now + 200), 20 / 1100, "the next is compared with it");
});

Deno.test("property: counts that wrap make the same loss", () => {
  const u32 = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(fc.property(u32, u32, u32, (received, expected, clock) => {
    const quality = new PathQuality();
    const at = (sent: number, lost: number, ms: number) =>
      quality.feedbackReceived({
        received: (received + sent - lost) >>> 0,
        expected: (expected + sent) >>> 0,
        clock: (clock + ms * 1000) >>> 0,
        ...{ bytes: 0, echo: 0, hold: 0, queueDelay: 0, jitter: 0 },
      }, ms);
    at(0, 0, 0);
    at(200, 10, 100);
    equal(quality.loss(100), 0.05);
  }));
});

Deno.test("without feedback, loss is that of heartbeats", () => {
  const quality = new PathQuality();
  for (let beat = 0; beat < 26; beat++) {
    quality.heartbeatSent(beat * 200);
    if (beat % 5 !== 0) quality.heartbeatAnswered(beat * 200, beat * 200 + 20);
  }
  const now = 26 * 200;
  const loss = quality.loss(now)!;
  ok(loss >= 0.15 && loss <= 0.25, `${loss}`);
  equal(quality.judgedLoss(now), loss);
});

Deno.test("an answer that takes its time is no loss, a second one counts once", () => {
  const quality = new PathQuality();
  for (let beat = 0; beat < 25; beat++) {
    quality.heartbeatSent(beat * 200);
    const answered = beat - 4;
    if (answered < 0) continue;
    quality.heartbeatAnswered(answered * 200, beat * 200);
    quality.heartbeatAnswered(answered * 200, beat * 200);
  }
  equal(quality.loss(4800), 0);
  const twice = new PathQuality();
  for (let beat = 0; beat < 25; beat++) {
    twice.heartbeatSent(beat * 100);
    if (beat % 2 === 1) continue;
    for (let copy = 0; copy < 9; copy++) twice.heartbeatAnswered(beat * 100, beat * 100 + 20);
  }
  for (let beat = 25; beat < 36; beat++) twice.heartbeatSent(beat * 100);
  ok(Math.abs(twice.loss(3500)! - 0.5) < 0.05, `${twice.loss(3500)}`);
  const far = new PathQuality();
  far.rttMeasured(900, 0);
  for (let beat = 0; beat < 40; beat++) {
    far.heartbeatSent(beat * 200);
    if (beat >= 12) far.heartbeatAnswered((beat - 12) * 200, beat * 200);
  }
  equal(far.loss(7800), 0, "2400 ms is less than three round trips of 900");
});

Deno.test("once there is feedback, heartbeats say nothing of loss", () => {
  const { quality, tell } = setUp();
  for (let beat = 0; beat < 40; beat++) quality.heartbeatSent(beat * 50);
  equal(quality.loss(2000), null);
  equal(quality.loss(tell({ sent: 50, lost: 0 })), 0);
});

Deno.test("an idle path is judged by its round trip, a loaded one by its base", () => {
  const quality = new PathQuality();
  quality.rttMeasured(20, 0);
  for (let at = 1; at < 50; at++) quality.rttMeasured(120, at * 100);
  ok(quality.judgedRttMs(5000)! > 115, "nothing of it is our doing");
  load(quality, 1_000_000, 5000);
  equal(quality.judgedRttMs(5000), 20);
  equal(Math.round(quality.rtt.smoothedMs!), 120);
  quality.noteCarried(1_000_000, 0, 6000);
  ok(quality.judgedRttMs(6000)! > 115, "the load is gone, the delay is not");
});

Deno.test("the queue that a transfer leaves is no delay of the path", () => {
  const quality = new PathQuality();
  quality.rttMeasured(20, 0);
  load(quality, 1_000_000, 1000);
  for (let at = 10; at < 30; at++) {
    quality.noteCarried(at * 100_000, 0, at * 100);
    quality.rttMeasured(270, at * 100);
  }
  for (const now of [3200, 3500, 3800]) quality.noteCarried(2_900_000, 0, now);
  equal(quality.judgedRttMs(3800), 20, "nothing is known of it since");
  quality.rttMeasured(200, 3900);
  equal(quality.judgedRttMs(3900), 20, "the queue drains");
  quality.rttMeasured(22, 5000);
  equal(quality.judgedRttMs(5000), 22, "what is measured then counts from its first time on");
  ok(quality.rtt.smoothedMs! > 150);
  for (let at = 0; at < 30; at++) quality.rttMeasured(120, 6000 + at * 100);
  ok(quality.judgedRttMs(9000)! > 110, "a delay that comes without load is the path's");
});

Deno.test("the jitter of a queue of our own is forgotten before it counts", () => {
  const { quality, tell } = setUp();
  load(quality, 1_000_000, tell({ jitterMs: 20, queueMs: 100 }));
  const now = tell({ jitterMs: 20, queueMs: 100 });
  quality.noteCarried(1_000_000, 0, now + 1000);
  tell({ sent: 8, jitterMs: 18 });
  equal(quality.judgedJitterMs, null);
  tell({ sent: 8, jitterMs: 16 });
  equal(quality.judgedJitterMs, 16);
});

Deno.test("without feedback, a queue of our own is told from the round trip", () => {
  const quality = new PathQuality();
  quality.rttMeasured(20, 0);
  load(quality, 1_000_000, 1000);
  for (let at = 0; at < 60; at++) quality.rttMeasured(100 + 60 * (at % 2), 1000);
  ok(quality.jitterMs! > 50);
  equal(quality.judgedJitterMs, null);
  const jittery = new PathQuality();
  for (let at = 0; at < 60; at++) jittery.rttMeasured(20 + 60 * (at % 2), 1000);
  ok(jittery.judgedJitterMs! > 50, "nothing of it is our doing");
});

Deno.test("what comes in is a load, too: the answer waits in the other queue", () => {
  const quality = new PathQuality();
  quality.rttMeasured(20, 0);
  for (let at = 1; at < 50; at++) quality.rttMeasured(120, at * 100);
  quality.noteCarried(0, 0, 4000);
  quality.noteCarried(0, 60_000, 5000);
  equal(quality.judgedRttMs(5000), 20);
});

Deno.test("a delay no queue of ours makes counts under load", () => {
  const quality = new PathQuality();
  quality.rttMeasured(20, 0);
  for (let at = 1; at < 60; at++) quality.rttMeasured(600, at * 100);
  load(quality, 1_000_000, 6000);
  ok(quality.judgedRttMs(6000)! > 550);
});

Deno.test("the base of the round trip is forgotten after a minute", () => {
  const quality = new PathQuality();
  quality.rttMeasured(20, 0);
  for (let at = 1; at <= 65; at++) quality.rttMeasured(120, at * 1000);
  load(quality, 1_000_000, 65_000);
  ok(quality.judgedRttMs(65_000)! > 119);
});

Deno.test("jitter does not count while our own load fills the queue", () => {
  const { quality, tell } = setUp();
  const now = tell({ jitterMs: 20, queueMs: 100 });
  equal(quality.judgedJitterMs, 20, "no load");
  load(quality, 1_000_000, now);
  equal(quality.judgedJitterMs, null);
  equal(quality.jitterMs, 20, "it is shown all the same");
  tell({ jitterMs: 20 });
  equal(quality.judgedJitterMs, 20, "no queue");
});

Deno.test("jitter is the receiver's where it tells, else that of round trips", () => {
  const quality = new PathQuality();
  quality.rttMeasured(20, 0);
  quality.rttMeasured(36, 100);
  equal(quality.jitterMs, 1);
  const { quality: told, tell } = setUp();
  told.rttMeasured(20, 0);
  told.rttMeasured(36, 100);
  tell({ jitterMs: 3 });
  equal(told.jitterMs, 3);
});

Deno.test("a delivery rate is known only of a path that was full", () => {
  const { quality, tell } = setUp();
  tell({ bytes: 100_000 });
  equal(quality.deliveryRate, null, "it may carry more");
  tell({ bytes: 100_000, queueMs: 50 });
  equal(quality.deliveryRate, null, "a moment's wait, or the beginning of a queue");
  tell({ bytes: 12_000, queueMs: 50 });
  equal(quality.deliveryRate, null, "a queue that is not ours");
  tell({ bytes: 100_000, queueMs: 50 });
  equal(quality.deliveryRate, 1_000_000);
  tell({ bytes: 60_000, queueMs: 50 });
  equal(quality.deliveryRate, 1_000_000, "the highest of late");
  for (let count = 0; count < 310; count++) tell({ bytes: 60_000, queueMs: 50 });
  equal(quality.deliveryRate, 600_000, "a path that got slower is found out");
});

Deno.test("a delivery rate that is not seen again is not believed for ever", () => {
  const { quality, tell } = setUp();
  tell({ bytes: 20_000, queueMs: 50 });
  const now = tell({ bytes: 20_000, queueMs: 50 });
  quality.noteCarried(1000, 0, now + RATE_KEPT_MS - 1);
  equal(quality.deliveryRate, 200_000);
  quality.noteCarried(2000, 0, now + RATE_KEPT_MS);
  equal(
    quality.deliveryRate,
    null,
    "a path that is avoided for it could never show that it is faster",
  );
});

Deno.test("much that vanishes with no queue filled is told at once", () => {
  const { quality, tell } = setUp();
  tell({ sent: 100, lost: 30 });
  equal(quality.isVanishing, false);
  tell({ sent: 100, lost: 31 });
  equal(quality.isVanishing, true);
  tell({ sent: 100, lost: 31, queueMs: 50 });
  equal(quality.isVanishing, false);
  tell({});
  tell({ sent: 4, lost: 2 });
  equal(quality.isVanishing, false, "two may be chance");
  tell({ sent: 4, lost: 3 });
  equal(quality.isVanishing, true);
});

Deno.test("what vanished is forgotten with the path it was measured on", () => {
  for (const forget of ["reset", "forgetLoss"] as const) {
    const { quality, tell } = setUp();
    tell({ lost: 90 });
    quality[forget]();
    equal(quality.isVanishing, false, forget);
  }
});

Deno.test("score() is 100 for a perfect path, and falls with loss, jitter and round trip", () => {
  const scoreOf = (rttMs: number, interval: Interval) => {
    const { quality, tell } = setUp();
    quality.rttMeasured(rttMs, 0);
    return quality.score(tell(interval))!;
  };
  equal(scoreOf(0, {}), 100);
  equal(scoreOf(400, {}), 50);
  equal(scoreOf(0, { jitterMs: 50 }), 50);
  equal(scoreOf(0, { lost: 10 }), 50);
  equal(scoreOf(0, { lost: 20 }), 0);
  equal(scoreOf(0, { lost: 60 }), 0);
  equal(scoreOf(400, { jitterMs: 50, lost: 10 }), 13);
});

Deno.test("reset() forgets everything", () => {
  const { quality, tell } = setUp();
  quality.rttMeasured(20, 0);
  const now = tell({ lost: 10, bytes: 100_000, queueMs: 50, jitterMs: 9 });
  quality.reset();
  deepEqual([quality.judgedRttMs(now), quality.jitterMs], [null, null]);
  deepEqual([quality.loss(now), quality.judgedLoss(now)], [null, null]);
  deepEqual([quality.deliveryRate, quality.feedbackAt], [null, -Infinity]);
  quality.feedbackReceived({
    ...{ received: 5, expected: 500, bytes: 0, echo: 0, hold: 0, clock: 0 },
    ...{ queueDelay: 0, jitter: 0 },
  }, now);
  equal(quality.loss(now), null, "the first one after it is only compared with");
});
