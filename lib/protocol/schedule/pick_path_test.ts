import { deepEqual, equal, ok } from "node:assert/strict";
import type { Cipher } from "../crypto/key_epochs.ts";
import { PROBATION_MS } from "./standing.ts";
import { Session } from "../session/session.ts";
import { FlowKey } from "../packet/flow_key.ts";
import { FlowTable } from "./flow_table.ts";
import { GROWN_BYTES } from "./grown_flow.ts";
import { pickPath } from "./pick_path.ts";

const CIPHER: Cipher = { free() {} };

function newSession() {
  return new Session({
    ...{ role: "client", x1: true, id: 1, key: new Uint8Array(32), now: 0 },
    suite: { sealer: () => CIPHER, opener: () => CIPHER },
    random: () => {},
  });
}

/** A session with `count` paths that are up, and what picks the path of flow `number`. */
function setUp(count: number) {
  const session = newSession();
  for (let id = 0; id < count; id++) {
    const path = session.addPath({ id, name: `link ${id}`, socket: id, peer: null }, 0);
    path.liveness.heard(0);
    path.lastHeardAt = id;
  }
  session.scheduling.judge(0);
  const flows = new FlowTable();
  const pick = (number: number, bytes = 100) => {
    const flow = new FlowKey();
    flow.hashA = number;
    flow.hashB = -number;
    return pickPath(session, flows, flow, bytes, 0)?.id ?? null;
  };
  return { session, flows, pick };
}

Deno.test("pickPath() keeps a flow on its path, and spreads flows", () => {
  const { pick } = setUp(3);
  const first = Array.from({ length: 30 }, (_, flow) => pick(flow));
  for (const path of [0, 1, 2]) equal(first.filter((id) => id === path).length, 10);
  deepEqual(Array.from({ length: 30 }, (_, flow) => pick(flow)), first);
});

Deno.test("pickPath() places flows that have grown apart, where they met on one path", () => {
  const { flows, pick } = setUp(3);
  const transfers = [10, 11, 12];
  for (const flow of transfers) flows.assign(flow, -flow, 0, 0);
  transfers.forEach((flow) => equal(pick(flow), 0));
  const grown = transfers.map((flow) => pick(flow, GROWN_BYTES));
  deepEqual(new Set(grown), new Set([0, 1, 2]));
  deepEqual(transfers.map((flow) => pick(flow, 60_000)), grown);
});

Deno.test("pickPath() does not count flows that only acknowledge", () => {
  const { flows, pick } = setUp(2);
  for (let flow = 1; flow <= 9; flow++) flows.assign(flow, -flow, 0, 0);
  for (let flow = 1; flow <= 9; flow++) for (let ack = 0; ack < 1000; ack++) pick(flow, 100);
  equal(pick(9, GROWN_BYTES), 0);
});

Deno.test("pickPath() leaves a flow that is away from its home, though it grows there", () => {
  const { session, pick } = setUp(3);
  const home = pick(1)!;
  session.linkFailed(session.paths.byId(home)!, 0);
  const away = pick(1);
  equal(pick(1, GROWN_BYTES), away);
  session.linkWorks(session.paths.byId(home)!, 0);
  session.paths.byId(home)!.liveness.heard(0);
  session.scheduling.judge(PROBATION_MS);
  equal(pick(1), home);
});

Deno.test("pickPath() moves the flows of a path that fails, and brings home those that began on it", () => {
  const { session, pick } = setUp(2);
  const flows = Array.from({ length: 10 }, (_, flow) => flow);
  const homes = flows.map(pick);
  const path = session.paths.byId(0)!;
  session.linkFailed(path, 0);
  ok(flows.every((flow) => pick(flow) === 1));
  session.linkWorks(path, 0);
  path.liveness.heard(0);
  session.scheduling.judge(0);
  ok(flows.every((flow) => pick(flow) === 1), "it is on probation");
  session.scheduling.judge(PROBATION_MS);
  deepEqual(flows.map(pick), homes);
  ok([20, 21, 22, 23].some((flow) => pick(flow) === 0), "new flows use it again");
});

Deno.test("pickPath() leaves a path the peer calls unusable, or that was removed", () => {
  const { session, pick } = setUp(2);
  const flows = Array.from({ length: 10 }, (_, flow) => flow);
  flows.forEach(pick);
  session.paths.byId(0)!.isUsableForPeer = false;
  session.scheduling.judge(0);
  ok(flows.every((flow) => pick(flow) === 1));
  session.paths.byId(0)!.isUsableForPeer = true;
  session.removePath(1, 0);
  session.scheduling.judge(0);
  ok(flows.every((flow) => pick(flow) === 0));
});

Deno.test("pickPath() without a usable path tries the one heard from last, and pins nothing", () => {
  const { session, flows, pick } = setUp(3);
  for (const path of session.paths) session.linkFailed(path, 0);
  equal(pick(1), 2);
  equal(flows.size, 0);
});

Deno.test("pickPath() without any path gives null", () => {
  equal(setUp(0).pick(1), null);
});
