import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  DOWN_AFTER_SUSPECT_MS,
  Liveness,
  type PathState,
  RTT_UNMEASURED_MS,
  SUSPECT_AFTER_MS,
} from "./liveness.ts";

const ROUND_TRIP = 20;
/** What a path with that round trip may take to answer. */
const PATIENCE = 3 * ROUND_TRIP + SUSPECT_AFTER_MS;

/** A path that is up at time 0, and has a measured round trip. */
function upPath(graceMs = 0): Liveness {
  const path = new Liveness({ graceMs });
  path.heard(0);
  path.rtt.add(ROUND_TRIP);
  return path;
}

Deno.test("a new path is probing until it is heard", () => {
  const path = new Liveness();
  equal(path.state, "probing");
  equal(path.nextDeadline(), Infinity);
  path.sent(0);
  equal(path.poll(100), "probing");
  path.heard(101);
  equal(path.state, "up");
  equal(path.nextDeadline(), Infinity);
});

Deno.test("a slow first round trip alone is no better than none", () => {
  const path = new Liveness();
  path.heard(0);
  path.rtt.add(1000);
  path.sent(2000);
  equal(path.nextDeadline(), 2000 + 3 * RTT_UNMEASURED_MS + SUSPECT_AFTER_MS);
});

Deno.test("a slow first round trip does not make the path patient for long", () => {
  const path = new Liveness();
  path.heard(0);
  path.rtt.add(500);
  path.rtt.add(ROUND_TRIP);
  path.sent(10);
  equal(path.nextDeadline(), 10 + PATIENCE);
});

Deno.test("a path that never answers is down without having been suspect", () => {
  const path = new Liveness();
  const downAt = 7 + 3 * RTT_UNMEASURED_MS + SUSPECT_AFTER_MS + DOWN_AFTER_SUSPECT_MS;
  path.sent(7);
  equal(path.nextDeadline(), downAt);
  equal(path.poll(downAt - 1), "probing");
  equal(path.poll(downAt), "down");
  equal(path.nextDeadline(), Infinity);
});

Deno.test("an idle path stays up", () => {
  const path = upPath();
  equal(path.poll(1e9), "up");
  equal(path.nextDeadline(), Infinity);
});

Deno.test("silence makes a path suspect, then down, counted from the first thing sent", () => {
  const path = upPath();
  path.sent(1000);
  path.sent(1000 + PATIENCE - 1);
  equal(path.nextDeadline(), 1000 + PATIENCE);
  equal(path.poll(1000 + PATIENCE - 1), "up");
  equal(path.poll(1000 + PATIENCE), "suspect");
  equal(path.nextDeadline(), 1000 + PATIENCE + DOWN_AFTER_SUSPECT_MS);
  equal(path.poll(1000 + PATIENCE + DOWN_AFTER_SUSPECT_MS - 1), "suspect");
  equal(path.poll(1000 + PATIENCE + DOWN_AFTER_SUSPECT_MS), "down");
  path.sent(5000);
  equal(path.poll(5001), "down");
  equal(path.nextDeadline(), Infinity);
});

Deno.test("a late poll goes straight to where the path is", () => {
  const path = upPath();
  path.sent(0);
  equal(path.poll(100_000), "down");
});

Deno.test("anything heard makes a suspect or silent path up, and starts the count anew", () => {
  const path = upPath();
  path.sent(0);
  equal(path.poll(PATIENCE), "suspect");
  path.heard(PATIENCE + 1);
  equal(path.state, "up");
  equal(path.poll(10_000), "up");
  path.sent(10_000);
  equal(path.poll(20_000), "down");
  path.heard(20_001);
  equal(path.state, "up");
  path.sent(30_000);
  equal(path.poll(30_000 + PATIENCE - 1), "up");
  equal(path.poll(30_000 + PATIENCE), "suspect");
});

Deno.test("the patience follows the smoothed round trip and the grace", () => {
  const slow = upPath();
  for (let round = 0; round < 200; round++) slow.rtt.add(600);
  slow.sent(0);
  ok(Math.abs(slow.nextDeadline() - 1900) < 1);

  const listener = upPath(2000);
  listener.sent(0);
  equal(listener.poll(PATIENCE + 1999), "up");
  equal(listener.poll(PATIENCE + 2000), "suspect");

  const odd = upPath();
  for (const roundTripMs of [-1, NaN, Infinity]) odd.rtt.add(roundTripMs);
  odd.sent(0);
  equal(odd.nextDeadline(), PATIENCE);
});

Deno.test("a link that is down is down at once, whatever is still heard", () => {
  const path = upPath();
  path.linkDown(10);
  equal(path.state, "down");
  path.heard(11);
  path.sent(12);
  equal(path.poll(13), "down");
  equal(path.nextDeadline(), Infinity);
});

Deno.test("a link that is back is probed, as if new", () => {
  const path = upPath();
  path.sent(0);
  path.linkDown(10);
  path.sent(20);
  path.linkUp(1000);
  path.rtt.reset();
  equal(path.state, "probing");
  equal(path.nextDeadline(), Infinity, "what was sent before went nowhere");
  path.sent(1000);
  equal(path.poll(1000 + PATIENCE), "probing");
  path.heard(1001 + PATIENCE);
  equal(path.state, "up");
  path.sent(5000);
  equal(path.nextDeadline(), 5000 + 3 * RTT_UNMEASURED_MS + SUSPECT_AFTER_MS);
});

Deno.test("linkUp() on a link that is not down changes nothing", () => {
  const path = upPath();
  path.linkUp(5);
  equal(path.state, "up");
  path.sent(10);
  equal(path.nextDeadline(), 10 + PATIENCE);
  equal(path.poll(10 + PATIENCE), "suspect");
  path.linkUp(11 + PATIENCE);
  equal(path.state, "suspect");
});

Deno.test("a grace out of range is refused", () => {
  for (const graceMs of [-1, NaN, Infinity]) throws(() => new Liveness({ graceMs }), RangeError);
});

type Happening = "sent" | "heard" | "linkDown" | "linkUp" | "wait";

/**
 * The state found from the whole history each time, and when it would change if nothing happened.
 */
function stateFrom(
  history: readonly (readonly [Happening, number])[],
  now: number,
  roundTripMs: number,
  graceMs: number,
): { state: PathState; changesAt: number } {
  let heard = false;
  let isLinkDown = false;
  let unanswered: number | null = null;
  const patience = 3 * roundTripMs + 100 + graceMs;
  for (const [happening, at] of history) {
    if (isLinkDown && happening !== "linkUp") continue;
    if (happening === "linkUp" && isLinkDown) {
      isLinkDown = heard = false;
    }
    if (happening === "linkDown") isLinkDown = true;
    if (happening === "sent") unanswered ??= at;
    if (happening === "heard") heard = true;
    if (happening === "heard" || happening === "linkDown") unanswered = null;
  }
  if (isLinkDown) return { state: "down", changesAt: Infinity };
  if (unanswered === null) return { state: heard ? "up" : "probing", changesAt: Infinity };
  const suspectAt = unanswered + patience;
  const downAt = suspectAt + 1000;
  if (now >= downAt) return { state: "down", changesAt: Infinity };
  if (!heard) return { state: "probing", changesAt: downAt };
  if (now >= suspectAt) return { state: "suspect", changesAt: downAt };
  return { state: "up", changesAt: suspectAt };
}

Deno.test("property: the state is what the history says", () => {
  const happening = fc.constantFrom<Happening>(
    "sent",
    "sent",
    "heard",
    "wait",
    "linkDown",
    "linkUp",
  );
  const elapsed = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 300 }), fc.nat({ max: 2500 }));
  const histories = fc.array(fc.tuple(happening, elapsed), { maxLength: 40 });
  fc.assert(
    fc.property(histories, fc.nat({ max: 200 }), fc.nat({ max: 100 }), (steps, rtt, graceMs) => {
      const path = new Liveness({ graceMs });
      path.rtt.add(rtt);
      const history: (readonly [Happening, number])[] = [];
      let now = 0;
      for (const [happening, elapsedMs] of steps) {
        now += elapsedMs;
        path.poll(now);
        if (happening !== "wait") path[happening](now);
        history.push([happening, now]);
        const { state, changesAt } = stateFrom(history, now, rtt, graceMs);
        equal(path.poll(now), state);
        equal(path.nextDeadline(), changesAt);
        ok(changesAt > now, "after poll() nothing is due");
      }
    }),
    { numRuns: 500 },
  );
});
