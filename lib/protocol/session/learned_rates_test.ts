import { deepEqual, equal } from "node:assert/strict";
import { Outbox } from "../path/outbox.ts";
import { setUpScheduling } from "../schedule/test_scheduling.ts";
import { NO_RULE } from "../wire/path_rule.ts";
import { decodeTunnelMessage } from "../wire/tunnel_message.ts";
import { LearnedRates } from "./learned_rates.ts";
import type { Role } from "./session_options.ts";

const REPEAT_MS = 2000;

function setUp(role: Role, scheduler: "aggregate" | "flow" = "aggregate") {
  const { paths, scheduling, added } = setUpScheduling([10, 20], scheduler);
  const outbox = new Outbox();
  const rates = new LearnedRates(paths, outbox, scheduling, role, 0);
  const told = (now: number) => {
    rates.handleTimeout(now);
    const next = outbox.nextTransmit();
    return next === null ? null : decodeTunnelMessage(next.payload);
  };
  /** The scheduler believes that paths carry so much. */
  const believe = (...capacities: (number | null)[]) =>
    Object.defineProperty(scheduling.scheduler, "loadOf", {
      ...{ configurable: true, value: ({ id }: { id: number }) => ({ capacity: capacities[id] }) },
    });
  return { rates, told, believe, scheduling, paths: added };
}

Deno.test("the server tells what it has learned of paths, and again what has changed", () => {
  const { told, believe, paths } = setUp("server");
  equal(told(0), null, "nothing was learned yet");
  believe(5_000_000.4, null);
  deepEqual(told(REPEAT_MS), { type: "rates", rates: [{ id: 0, rate: 5_000_000 }] });
  believe(5_400_000, 100);
  deepEqual(told(2 * REPEAT_MS), { type: "rates", rates: [{ id: 1, rate: 12_500 }] });
  believe(6_000_000, 100);
  deepEqual(told(3 * REPEAT_MS), { type: "rates", rates: [{ id: 0, rate: 6_000_000 }] });
  paths[0]!.rule = { ...NO_RULE, sendRate: 3_000_000 };
  believe(3_000_000, 100);
  equal(told(4 * REPEAT_MS), null, "a limit is nothing learned");
});

Deno.test("the client tells what it remembers, until the server knows", () => {
  const { rates, told, paths } = setUp("client");
  equal(told(0), null);
  paths[1]!.rule = { ...NO_RULE, receiveStart: 4_000_000 };
  rates.pathUp();
  const remembered = { type: "rates", rates: [{ id: 1, rate: 4_000_000 }] };
  deepEqual(told(1), remembered);
  deepEqual(told(1 + REPEAT_MS), remembered);
  rates.receive({ type: "rates", rates: [{ id: 1, rate: 3_000_000 }, { id: 9, rate: 20_000 }] });
  deepEqual([paths[0]!.peerRate, paths[1]!.peerRate], [null, 3_000_000]);
  equal(told(1 + 2 * REPEAT_MS), null);
});

Deno.test("the server's scheduler takes what the client remembers, once", () => {
  const { rates, scheduling, paths } = setUp("server");
  rates.receive({ type: "rates", rates: [{ id: 0, rate: 4_000_000 }] });
  equal(paths[0]!.startRate, 4_000_000);
  scheduling.judge(1);
  equal(paths[0]!.startRate, null, "it was taken");
});

Deno.test("where flows are not spread, nothing is told", () => {
  const { told, believe } = setUp("server", "flow");
  believe(5_000_000, 5_000_000);
  equal(told(0), null);
});
