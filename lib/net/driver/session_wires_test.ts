/** Which wire a session gets, and what its sessions share. */
import { deepEqual, equal } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { Session } from "../../protocol/session/session.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import type { EngineSession } from "../engine.ts";
import { SessionWires } from "./session_wires.ts";

/** 2026-01-01, in ms. */
const UNIX_MS = 1_767_225_600_000;
const SECOND = 1000;
/** Numbers that the server counts up in a second. */
const NUMBERS_PER_SECOND = 128;

function open(wires: SessionWires, more: Partial<EngineSession>, now = 0) {
  const spec: EngineSession = {
    ...{ role: "server", id: 1, key: new Uint8Array(32), x1: true, name: "laptop", mtu: 1400 },
    ...{ ipv4: "10.8.0.2", ipv6: "fd00:8::2", tuning: DEFAULT_TUNING },
    ...{ reorderBufferSize: 16, reorderFlushTimeoutMs: 50 },
    ...more,
  };
  const cipher: Cipher = { free() {} };
  return new Session({
    ...{ role: spec.role, id: spec.id, key: spec.key, wire: wires.of(spec, now), now },
    suite: { sealer: () => cipher, opener: () => cipher },
    random: () => {},
  });
}

Deno.test("a session speaks x1 or v1 as was agreed, and orders flows where that was, too", () => {
  const wires = new SessionWires(UNIX_MS);
  const names = [true, false].map((x1) => open(wires, { x1 }).wire.name);
  deepEqual(names, ["x1", "v1"]);
  const orders = (more: Partial<EngineSession>) => open(wires, more).acknowledgements !== null;
  deepEqual([orders({}), orders({ ordersFlows: true })], [false, true]);
  equal(orders({ x1: false, ordersFlows: true }), false);
  const repairs = (more: Partial<EngineSession>) => open(wires, more).wire.repairs !== null;
  deepEqual([repairs({ ordersFlows: true }), repairs({ ordersFlows: true, repairs: true })], [
    false,
    true,
  ]);
  equal(repairs({ x1: false, ordersFlows: true, repairs: true }), false);
});

Deno.test("a client probes for the size that is wanted on x1 alone", () => {
  const wires = new SessionWires(UNIX_MS);
  const probes = (more: Partial<EngineSession>) => {
    const session = open(wires, { role: "client", ...more });
    const path = session.addPath({ id: 0, name: "dsl", socket: 0, peer: null }, 0);
    session.wire.pathUp(path);
    return path.mtuSearch?.ceiling ?? null;
  };
  deepEqual([probes({}), probes({ x1: false })], [1400, null]);
  equal(probes({ tuning: { ...DEFAULT_TUNING, probeMtu: false } }), null);
  // So that a packet of the tunnel's MTU passes with its place in the order.
  equal(probes({ ordersFlows: true }), 1408);
  equal(probes({ ordersFlows: true, repairs: true }), 1408);
});

Deno.test("v1: a client's sessions go on counting, the first from the time of day", () => {
  const wires = new SessionWires(UNIX_MS);
  const first = open(wires, { x1: false }).nextSequence(0);
  equal(open(wires, { x1: false }, 100 * SECOND).nextSequence(0), first + 1);
  const other = open(wires, { x1: false, name: "tablet" }, 100 * SECOND).nextSequence(0);
  equal(other, first + 100 * NUMBERS_PER_SECOND);
  const client = { x1: false, role: "client" } as const;
  deepEqual([1, 2].map(() => open(wires, client).nextSequence(0)), [1, 1]);
});
