import { deepEqual, equal } from "node:assert/strict";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import { ipv6, tcpPacket } from "../../protocol/packet/test_packet.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { type Role, Session } from "../../protocol/session/session.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { type EngineSession, REPLACED_SESSION_MS } from "../engine.ts";
import { PacketCells } from "./packet_cells.ts";
import { SessionEntry, SessionTable } from "./sessions.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";

const CIPHER: Cipher = { free() {} };

function newEntry(
  id: number,
  host: number,
  role: Role = "server",
  more: Partial<EngineSession> = {},
): SessionEntry<Cipher, Cipher> {
  const key = new Uint8Array(32);
  const session = new Session({
    ...{ role, id, key, wire: x1Wire(), now: 0, random: () => {} },
    suite: { sealer: () => CIPHER, opener: () => CIPHER },
  });
  return new SessionEntry(session, {
    ...{ role, id, key, x1: true, name: `client ${id}` },
    ...{ ipv4: `10.8.0.${host}`, ipv6: `fd00:8::${host}` },
    ...{ reorderBufferSize: 64, reorderFlushTimeoutMs: 50, tuning: DEFAULT_TUNING, mtu: 1400 },
    ...more,
  }, new PacketCells());
}

function flowOf(fields: Parameters<typeof tcpPacket>[0]): FlowKey {
  const packet = tcpPacket(fields);
  const flow = new FlowKey();
  readFlowKey(new DataView(packet.buffer), 0, packet.length, flow);
  return flow;
}

/** A packet to client `host`, IPv4 and IPv6. */
function flowsTo(host: number): FlowKey[] {
  return [
    flowOf({ source: [10, 8, 0, 1], destination: [10, 8, 0, host] }),
    flowOf({ version: 6, source: ipv6(1), destination: ipv6(host) }),
  ];
}

Deno.test("a packet goes to the session of its destination, of exactly that address", () => {
  const table = new SessionTable<Cipher, Cipher>();
  const two = newEntry(2, 2), three = newEntry(0xfffffff0, 3);
  table.add(two);
  table.add(three);
  for (const flow of flowsTo(2)) equal(table.forPacket(flow), two);
  for (const flow of flowsTo(3)) equal(table.forPacket(flow), three);
  for (const flow of flowsTo(4)) equal(table.forPacket(flow), null);
  const foreign = flowOf({ version: 6, destination: [0x20, ...ipv6(2).slice(1)] });
  equal(table.forPacket(foreign), null, "same last word, another prefix");
  equal(table.byId(0xfffffff0 | 0), three);
  table.remove(two);
  for (const flow of flowsTo(2)) equal(table.forPacket(flow), null);
  deepEqual([...table], [three]);
});

Deno.test("isSource() and isDestination() look at the whole address", () => {
  const entry = newEntry(1, 2);
  const source = (bytes: number[]) => entry.isSource(flowOf({ version: 6, source: bytes }));
  equal(source(ipv6(2)), true);
  for (let index = 0; index < 16; index++) {
    const other = ipv6(2);
    other[index]! ^= 1;
    equal(source(other), false, `byte ${index}`);
    equal(entry.isDestination(flowOf({ version: 6, destination: other })), false);
  }
  equal(entry.isSource(flowOf({})), true);
  equal(entry.isSource(flowOf({ source: [10, 8, 0, 3] })), false);
  equal(entry.isDestination(flowOf({ destination: [10, 8, 0, 2] })), true);
});

Deno.test("a client sends everything through its own session", () => {
  const table = new SessionTable<Cipher, Cipher>();
  const own = newEntry(1, 2, "client");
  table.add(own);
  for (const flow of [...flowsTo(1), ...flowsTo(99)]) equal(table.forPacket(flow), own);
  table.remove(own);
  equal(table.forPacket(flowsTo(1)[0]!), null);
});

Deno.test("a session of the same address waits until it is promoted, the other then ends", () => {
  const table = new SessionTable<Cipher, Cipher>();
  const first = newEntry(1, 2), second = newEntry(2, 2);
  table.add(first);
  table.add(second);
  deepEqual([first.isPending, second.isPending], [false, true]);
  for (const flow of flowsTo(2)) equal(table.forPacket(flow), first);
  table.promote(second, 1000);
  deepEqual([first.closesAt, second.closesAt], [1000 + REPLACED_SESSION_MS, Infinity]);
  for (const flow of flowsTo(2)) equal(table.forPacket(flow), second);
  table.remove(first);
  for (const flow of flowsTo(2)) equal(table.forPacket(flow), second);
});

Deno.test("a client's session waits until it is promoted under another address, too", () => {
  const table = new SessionTable<Cipher, Cipher>();
  const first = newEntry(1, 2, "client"), second = newEntry(2, 3, "client");
  table.add(first);
  table.add(second);
  equal(table.own, first);
  table.promote(second, 1000);
  equal(table.own, second);
  deepEqual([first.closesAt, second.closesAt], [1000 + REPLACED_SESSION_MS, Infinity]);
  const third = newEntry(3, 4, "client");
  table.add(third);
  table.remove(third);
  equal(table.own, second, "one that was given up has changed nothing");
});

Deno.test("a session is not replaced by an older one that is heard late", () => {
  const table = new SessionTable<Cipher, Cipher>();
  const [first, second, third] = [newEntry(1, 2), newEntry(2, 2), newEntry(3, 2)];
  const other = newEntry(4, 5);
  for (const entry of [first, second, other, third]) table.add(entry);
  table.promote(third, 1000);
  equal(second.isPending, false, "it can be promoted no more");
  equal(second.closesAt, 1000 + REPLACED_SESSION_MS);
  equal(third.closesAt, Infinity);
  equal(other.closesAt, Infinity);
});

Deno.test("a newer session is not ended by one that is promoted before it", () => {
  const table = new SessionTable<Cipher, Cipher>();
  const [first, second, third] = [newEntry(1, 2), newEntry(2, 2), newEntry(3, 2)];
  for (const entry of [first, second, third]) table.add(entry);
  table.promote(second, 1000);
  deepEqual([third.isPending, third.closesAt], [true, Infinity]);
  table.promote(third, 2000);
  deepEqual([first.closesAt, second.closesAt], [11_000, 12_000]);
});

Deno.test("who sends too much is answered by the other end of the tunnel, never by itself", () => {
  const words = (host: number) => ({
    ipv4: (10 << 24) + (8 << 16) + host,
    ipv6: [0xfd000008 | 0, 0, 0, host],
  });
  deepEqual(newEntry(1, 2, "server").router, words(2), "on the server by the client");
  deepEqual(newEntry(1, 2, "client").router, words(1), "on the client by the server");
  const server = { ipv4: "10.8.0.17", ipv6: "fd00:8::11" };
  const inSmall = newEntry(1, 18, "client", { server });
  deepEqual(inSmall.router, words(17), "whatever the size of the networks");
});

Deno.test("the server sends what every IPv6 host may send, whatever the paths carry", () => {
  const [ipv4, ipv6] = flowsTo(2) as [FlowKey, FlowKey];
  const limits = (role: Role, packetBytesMax: number) => {
    const entry = newEntry(1, 2, role);
    Object.defineProperty(entry.session, "packetBytesMax", { value: packetBytesMax });
    return [entry.packetBytesMax(ipv4), entry.packetBytesMax(ipv6)];
  };
  deepEqual(limits("server", 1202), [1202, 1280]);
  deepEqual(limits("server", 1322), [1322, 1322]);
  deepEqual(limits("client", 1202), [1202, 1202], "its sockets forbid fragments");
});
