/** What a driver does to the packets of a client that is held to limits. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { type IpFields, ipv6, tcpPacket } from "../../protocol/packet/test_packet.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { Session } from "../../protocol/session/session.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { type EngineSession, REPLACED_SESSION_MS, type SessionLimits } from "../engine.ts";
import { ClientLimits } from "./client_limits.ts";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import { Delivery } from "./delivery.ts";
import { newMemory, PacketCells } from "./packet_cells.ts";
import { SessionEntry, SessionTable } from "./sessions.ts";

const NOTHING: SessionLimits = {
  ...{ rateDown: null, rateUp: null, reach: null, routes: [], volumeLeft: null },
};
const CIPHER: Cipher = { free() {} };

function newEntry(host: number): SessionEntry<Cipher, Cipher> {
  const spec: EngineSession = {
    ...{ role: "server", id: host, key: new Uint8Array(32), x1: true, name: `client ${host}` },
    ...{ ipv4: `10.8.0.${host}`, ipv6: `fd00:8::${host}`, mtu: 1400 },
    ...{ reorderBufferSize: 64, reorderFlushTimeoutMs: 50, tuning: DEFAULT_TUNING },
  };
  const session = new Session({
    ...{ role: spec.role, id: spec.id, key: spec.key, wire: x1Wire(), now: 0, random: () => {} },
    suite: { sealer: () => CIPHER, opener: () => CIPHER },
  });
  return new SessionEntry(session, spec, new PacketCells());
}

/** What a client sends, as far as it comes. */
class Bench {
  readonly entry = newEntry(2);
  readonly drops = new DropCounters();
  readonly limits = new ClientLimits(new PacketCells());
  delivered = 0;
  readonly #memory = newMemory(2048);
  readonly #delivery: Delivery<Cipher, Cipher>;

  constructor(limits: Partial<SessionLimits>) {
    const sink = { deliver: () => void this.delivered++, flush: () => {} };
    this.#delivery = new Delivery(sink, new PacketCells(), this.drops);
    this.entry.limits = this.limits;
    this.limits.apply({ ...NOTHING, ...limits });
  }

  deliver(fields: Partial<IpFields>, now = 0): void {
    const packet = tcpPacket({ source: [10, 8, 0, 2], ...fields });
    this.#memory.bytes.set(packet);
    this.#delivery.deliver(this.entry, this.#memory, 0, packet.length, 0, now);
  }

  flowOf(fields: Partial<IpFields>): FlowKey {
    const packet = tcpPacket(fields);
    const flow = new FlowKey();
    readFlowKey(new DataView(packet.buffer), 0, packet.length, flow);
    return flow;
  }

  release(now: number): void {
    this.#delivery.releaseLimited(this.limits, now);
  }
}

Deno.test("a client sends to the prefixes it may reach, of both families, and to no other", () => {
  const bench = new Bench({ reach: ["192.0.2.0/24", "10.8.0.7/32", "fd00:9::/64"] });
  const to = (destination: number[], version: 4 | 6 = 4) =>
    bench.deliver(
      version === 4 ? { destination } : { version, source: ipv6(2), destination },
    );
  to([192, 0, 2, 1]);
  to([10, 8, 0, 7]);
  to([0xfd, 0, 0, 9, ...new Array(12).fill(1)], 6);
  equal(bench.delivered, 2, "one beyond the /64");
  to([0xfd, 0, 0, 9, 0, 0, 0, 0, ...new Array(8).fill(1)], 6);
  equal(bench.delivered, 3);
  const before = bench.drops.get("beyond reach");
  // Another client, the server itself, the internet.
  for (const destination of [[10, 8, 0, 8], [10, 8, 0, 1], [198, 51, 100, 1]]) to(destination);
  to(ipv6(3), 6);
  equal(bench.delivered, 3);
  equal(bench.drops.get("beyond reach"), before + 4);
  deepEqual(bench.limits.counts(), { down: 0, up: 0, reach: before + 4 });
  bench.limits.apply(NOTHING);
  to([198, 51, 100, 1]);
  equal(bench.delivered, 4);
});

Deno.test("sources behind a client are taken from it, and no others", () => {
  const bench = new Bench({ routes: ["192.168.7.0/24"] });
  bench.deliver({ source: [192, 168, 7, 9], destination: [192, 0, 2, 1] });
  equal(bench.delivered, 1);
  bench.deliver({ source: [192, 168, 8, 9], destination: [192, 0, 2, 1] });
  equal(bench.drops.get("foreign source"), 1);
  bench.limits.apply(NOTHING);
  bench.deliver({ source: [192, 168, 7, 9], destination: [192, 0, 2, 1] });
  equal(bench.drops.get("foreign source"), 2);
  equal(bench.delivered, 1);
});

Deno.test("what a client sends beyond its rate waits, and is counted when it passes", () => {
  const bench = new Bench({ rateUp: 125_000, volumeLeft: 1e9 });
  for (let packet = 0; packet < 20; packet++) {
    bench.deliver({ destination: [192, 0, 2, 1], payload: new Uint8Array(1000) });
  }
  ok(bench.delivered < 4, `${bench.delivered} at once`);
  const first = bench.delivered;
  bench.release(50);
  ok(bench.delivered > first && bench.delivered < 10, `${bench.delivered} after 50 ms`);
  for (let now = 60; now < 400; now += 10) bench.release(now);
  equal(bench.delivered, 20);
  equal(bench.limits.takeVolume(0), 20 * 1040);
});

Deno.test("volume is told now and then, and at once when it is used up", () => {
  const limits = new ClientLimits(new PacketCells());
  limits.count(100);
  equal(limits.dueVolume(0), 0, "nothing counts");
  limits.apply({ ...NOTHING, volumeLeft: 1000 });
  limits.takeVolume(0);
  limits.count(400);
  equal(limits.dueVolume(1), 0);
  equal(limits.dueVolume(5001), 400);
  equal(limits.dueVolume(10_002), 0, "there is nothing new");
  limits.count(599);
  equal(limits.dueVolume(5002), 0);
  limits.count(1);
  equal(limits.dueVolume(5003), 600);
});

Deno.test("prefixes behind a client lead to the session that is in use", () => {
  const table = new SessionTable<Cipher, Cipher>();
  const one = newEntry(2), other = newEntry(3);
  table.add(one);
  table.add(other);
  table.setRoutes(one, ["192.168.7.0/24"]);
  const bench = new Bench({});
  const find = (destination: number[]) => {
    const flow = bench.flowOf({ destination });
    return table.forPacket(flow);
  };
  equal(find([192, 168, 7, 1]), one);
  equal(find([192, 168, 8, 1]), null);
  equal(find([10, 8, 0, 3]), other);
  throws(() => table.setRoutes(other, ["192.168.0.0/16"]), /overlaps/);
  const next = newEntry(2);
  table.add(next);
  equal(find([192, 168, 7, 1]), one);
  table.promote(next, 100);
  equal(find([192, 168, 7, 1]), next);
  equal(one.closesAt, 100 + REPLACED_SESSION_MS);
  table.remove(one);
  equal(find([192, 168, 7, 1]), next);
  table.remove(next);
  equal(find([192, 168, 7, 1]), null);
});
