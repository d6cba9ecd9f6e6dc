/** What the client tells of its paths, when, and what the server believes. */
import { deepEqual, equal } from "node:assert/strict";
import { Outbox } from "../path/outbox.ts";
import { setUpScheduling } from "../schedule/test_scheduling.ts";
import { decodeTunnelMessage, type TunnelMessage } from "../wire/tunnel_message.ts";
import { MtuProbes } from "./mtu_probes.ts";
import { PathAnnouncements } from "./path_announcements.ts";

const REPEAT_MS = 2000;

function setUp(firstAt = 0, ceiling: number | null = null, rttsMs = [10, 20]) {
  const { paths, scheduling, added } = setUpScheduling(rttsMs);
  const outbox = new Outbox();
  const probes = new MtuProbes(paths, outbox, ceiling);
  const announcements = new PathAnnouncements(paths, outbox, scheduling, probes, firstAt);
  const told = () => {
    const messages: [path: number, TunnelMessage | null][] = [];
    for (let next = outbox.nextTransmit(); next !== null; next = outbox.nextTransmit()) {
      messages.push([next.path.id, decodeTunnelMessage(next.payload)]);
    }
    return messages;
  };
  return { announcements, told, added };
}

function usable(...ids: number[]): TunnelMessage & { type: "paths" } {
  return { type: "paths", usable: ids };
}

Deno.test("the paths that work are told on one of them, now and every 2 s", () => {
  const { announcements, told, added } = setUp();
  announcements.handleTimeout(0);
  const both = { ...usable(0, 1), scheduler: "flow" };
  deepEqual(told(), [[0, both]]);
  announcements.handleTimeout(REPEAT_MS - 1);
  deepEqual(told(), []);
  announcements.handleTimeout(REPEAT_MS);
  deepEqual(told(), [[0, both]]);
  equal(announcements.nextAt, 2 * REPEAT_MS);
  equal(announcements.deadline, 2 * REPEAT_MS + 500, "a heartbeat leaves before that as a rule");
  added[0]!.liveness.linkDown(0);
  announcements.announce();
  deepEqual(told(), [[1, { ...both, usable: [1] }]]);
  added[1]!.liveness.linkDown(0);
  announcements.announce();
  deepEqual(told(), [], "there is no path to tell it on");
});

Deno.test("that a path does not work any more is told on all that do", () => {
  const { announcements, told, added } = setUp(0, null, [10, 20, 30]);
  announcements.announce();
  deepEqual(told().map(([path]) => path), [0]);
  added[1]!.liveness.linkDown(0);
  announcements.announce();
  const left = { ...usable(0, 2), scheduler: "flow" };
  deepEqual(told(), [[0, left], [2, left]]);
  added[1]!.liveness.linkUp(1);
  added[1]!.liveness.heard(1);
  announcements.announce();
  deepEqual(told().map(([path]) => path), [0]);
});

Deno.test("the size that all paths carry is told when it has changed", () => {
  const { announcements, told, added } = setUp(0, 1400);
  announcements.announce();
  deepEqual(told().map(([, message]) => (message as { mtu?: number }).mtu), [1280]);
  announcements.announceMtu();
  deepEqual(told(), []);
  for (const path of added) path.mtu = 1400;
  announcements.announceMtu();
  deepEqual(told().map(([, message]) => (message as { mtu?: number }).mtu), [1400]);
});

Deno.test("the server announces nothing", () => {
  const { announcements, told } = setUp(Infinity);
  announcements.announce();
  announcements.handleTimeout(1e9);
  deepEqual(told(), []);
});

Deno.test("the server believes what was said last, whatever came last", () => {
  const { announcements, added } = setUp(Infinity);
  const states = () => added.map(({ isUsableForPeer }) => isUsableForPeer);
  equal(announcements.receive(usable(0), 1000), true);
  deepEqual(states(), [true, false]);
  equal(announcements.receive(usable(1), 900), false, "it was overtaken");
  deepEqual(states(), [true, false]);
  equal(announcements.receive(usable(1), 0xffff_fff0), false, "as before the clock began anew");
  equal(announcements.receive(usable(1), 1001), true);
  deepEqual(states(), [false, true]);
});

Deno.test("the client's clock may pass 2^32 microseconds", () => {
  const { announcements } = setUp(Infinity);
  equal(announcements.receive(usable(0), 0xffff_ff00), true);
  equal(announcements.receive(usable(1), 0x10), true);
});
