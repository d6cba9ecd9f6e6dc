import { deepEqual, equal, ok } from "node:assert/strict";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../packet/ip.ts";
import type { SchedulerName } from "./scheduler.ts";
import type { Cipher } from "../crypto/key_epochs.ts";
import { Session } from "../session/session.ts";
import { FLAG_COPY, FLAG_ORDERED } from "../wire/header.ts";
import { Dispatch } from "./dispatch.ts";
import { FlowKey } from "../packet/flow_key.ts";
import { FlowTable } from "./flow_table.ts";

const CIPHER: Cipher = { free() {} };

/** A session with two paths that are up, and what dispatches its packets. */
function setUp(scheduler: SchedulerName, x1 = true) {
  const session = new Session({
    ...{ role: "client", x1, id: 1, key: new Uint8Array(32), now: 0, scheduler },
    suite: { sealer: () => CIPHER, opener: () => CIPHER },
    random: () => {},
  });
  for (const id of [0, 1]) {
    const path = session.addPath({ id, name: `link ${id}`, socket: id, peer: null }, 0);
    path.liveness.heard(0);
  }
  session.scheduling.judge(0);
  const dispatch = new Dispatch<Cipher, Cipher>(new FlowTable());
  const send = (number: number, protocol = PROTOCOL_TCP, bytes = 1000) => {
    const flow = Object.assign(new FlowKey(), { hashA: number, hashB: -number, protocol });
    if (!dispatch.begin(session, flow, bytes, 0)) return null;
    return dispatch.next(bytes).map(({ id }) => id);
  };
  return { session, dispatch, send };
}

Deno.test("flow: all packets of a flow take its path, unordered", () => {
  const { dispatch, send } = setUp("flow");
  const first = [1, 2].map((flow) => send(flow));
  deepEqual(first.flat().toSorted(), [0, 1]);
  deepEqual([1, 2].map((flow) => send(flow)), first);
  deepEqual([dispatch.flags, dispatch.stream], [0, 0]);
});

Deno.test("stripe: packets take turns by their bytes, in the order of their stream", () => {
  const { dispatch, send } = setUp("stripe");
  deepEqual([1, 1, 1, 1].map((flow) => send(flow)), [[0], [1], [0], [1]]);
  equal(dispatch.flags, FLAG_ORDERED);
  equal(dispatch.stream, 2);
  deepEqual([send(1, PROTOCOL_TCP, 3000), send(1), send(1), send(1)], [[0], [1], [1], [1]]);
});

Deno.test("redundant: every live path gets a copy; TCP's are put in order", () => {
  const { session, dispatch, send } = setUp("redundant");
  deepEqual(send(1), [0, 1]);
  equal(dispatch.flags, FLAG_COPY | FLAG_ORDERED);
  const streamOfTcp = dispatch.stream;
  deepEqual(send(1, PROTOCOL_UDP), [0, 1]);
  equal(dispatch.flags, FLAG_COPY);
  ok(dispatch.stream !== streamOfTcp, "numbers that nobody waits for make no gaps");
  session.linkFailed(session.paths.byId(0)!, 0);
  deepEqual(send(1), [1]);
});

Deno.test("failover: everything on one path while it works", () => {
  const { session, send } = setUp("failover");
  deepEqual([1, 2, 3].map((flow) => send(flow)), [[0], [0], [0]]);
  session.linkFailed(session.paths.byId(0)!, 0);
  deepEqual([1, 2, 3].map((flow) => send(flow)), [[1], [1], [1]]);
});

Deno.test("towards a v1 peer nothing is flagged, and there is one stream", () => {
  for (const scheduler of ["stripe", "redundant"] as const) {
    const { dispatch, send } = setUp(scheduler, false);
    equal(send(1)!.length, scheduler === "stripe" ? 1 : 2);
    deepEqual([dispatch.flags, dispatch.stream], [0, 0]);
  }
});

Deno.test("without a path that works every scheduler tries the last one heard", () => {
  for (const scheduler of ["flow", "stripe", "redundant", "failover"] as const) {
    const { session, dispatch, send } = setUp(scheduler);
    session.paths.byId(1)!.lastHeardAt = 1;
    for (const path of session.paths) session.linkFailed(path, 0);
    deepEqual(send(1), [1], scheduler);
    equal(dispatch.flags, 0, scheduler);
    session.paths.byId(1)!.allowance = 1999;
    equal(send(1), null, scheduler);
    session.removePath(0, 0);
    session.removePath(1, 0);
    equal(send(1), null, scheduler);
  }
});
