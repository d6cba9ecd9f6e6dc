/** What becomes of a packet of the TUN device: what is sent, what is answered, what is dropped. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import {
  hasRightChecksums,
  ipPacket,
  ipv6,
  partialUdpPacket,
  tcpPacket,
} from "../../protocol/packet/test_packet.ts";
import type { CompressionMode } from "../../protocol/compression/compression_mode.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { FLAG_PARTIAL_CHECKSUM, TYPE_PACKET } from "../../protocol/wire/header.ts";
import { GzipCodecs, makeMemory } from "../portable/gzip_codecs.ts";
import { Driver } from "./driver.ts";
import { Offload, OFFLOAD_CHECKSUM, OFFLOAD_TCP, OFFLOAD_UDP, OFFLOAD_UNKNOWN } from "./offload.ts";
import { newMemory } from "./packet_cells.ts";

const TCP = 20;
const PACKET_AT = 10;

interface Sent {
  packet: Uint8Array;
  flags: number;
  sequence: number;
}

class Bench {
  readonly sent: Sent[] = [];
  /** What the TUN device was given. */
  readonly answered: Uint8Array[] = [];
  readonly drops = new DropCounters();
  readonly driver: Driver<Cipher, Cipher>;
  readonly #read = newMemory(70_000);

  constructor(
    x1: boolean,
    role: "client" | "server" = "client",
    compression: CompressionMode = "off",
  ) {
    const made = makeMemory();
    const cipher: Cipher = { free() {} };
    this.driver = new Driver<Cipher, Cipher>({
      suite: { sealer: () => cipher, opener: () => cipher },
      ...{ random: () => {}, flowSeed: 1, drops: this.drops, made, unixOffsetMs: 0 },
      packets: {
        deliver: ({ bytes }, packet, { end }) => void this.answered.push(bytes.slice(packet, end)),
        flush: () => {},
      },
      records: {
        hasControlRoom: true,
        send: (_entry, _path, { bytes }, payload, length, outgoing) => {
          if (outgoing.type !== TYPE_PACKET) return;
          const { flags, sequence } = outgoing;
          this.sent.push({ packet: bytes.slice(payload, payload + length), flags, sequence });
        },
        flush: () => {},
        close: () => {},
      },
      codecs: new GzipCodecs(made),
      emit: () => {},
    }, this.#read);
    this.driver.openSession({
      ...{ role, id: 1, key: new Uint8Array(32), x1, name: "laptop", mtu: 1400 },
      ...{ ipv4: "10.8.0.2", ipv6: "fd00:8::2", reorderBufferSize: 16 },
      ...{ reorderFlushTimeoutMs: 50, tuning: { ...DEFAULT_TUNING, compression } },
    }, 0);
    if (role === "client") {
      this.driver.addPath(1, { id: 0, name: "fiber", socket: 0, peer: null }, 0);
    }
  }

  forward(packet: Uint8Array, offload: Partial<Offload> = {}): number {
    this.#read.bytes.set(packet, PACKET_AT);
    const asked = Object.assign(new Offload(), offload);
    return this.driver.outbound.forward(PACKET_AT, packet.length, asked, 1);
  }

  /** The paths carry no more than this. */
  limit(bytes: number): void {
    Object.defineProperty(this.driver.sessions.byId(1)!.session, "packetBytesMax", {
      get: () => bytes,
    });
  }
}

function tcp(payloadBytes: number): Uint8Array<ArrayBuffer> {
  return tcpPacket({ payload: Uint8Array.from({ length: payloadBytes }, (_, at) => at) });
}

Deno.test("a packet is sent as it was read, each with the next number", () => {
  const bench = new Bench(true);
  const packets = [tcp(10), tcp(1200)];
  for (const packet of packets) equal(bench.forward(packet), 1);
  deepEqual(bench.sent.map(({ packet }) => packet), packets);
  deepEqual(bench.sent.map(({ sequence }) => sequence), [1, 2]);
  equal(bench.drops.total, 0);
});

Deno.test("the report tells as what the packets were carried", () => {
  const plain = new Bench(true);
  plain.forward(tcp(1000));
  const { compression: same } = plain.driver.report(1)[0]!;
  deepEqual(same, { plainBytes: 1040, carriedBytes: 1040 });
  const squeezed = new Bench(true, "client", "always");
  squeezed.forward(tcpPacket({ payload: new Uint8Array(1000) }));
  const { packet } = squeezed.sent[0]!;
  ok(packet.length < 200, `${packet.length}`);
  deepEqual(squeezed.driver.report(1)[0]!.compression, {
    plainBytes: 1040,
    carriedBytes: packet.length,
  });
});

Deno.test("what is no packet, has no session, or makes no sense is dropped and counted", () => {
  const bench = new Bench(true, "server");
  bench.forward(new Uint8Array(40));
  bench.forward(tcpPacket({ source: [10, 8, 0, 1], destination: [10, 8, 0, 9] }));
  bench.forward(tcpPacket({ version: 6, source: ipv6(1), destination: ipv6(9) }));
  bench.forward(tcpPacket({ source: [10, 8, 0, 1], destination: [10, 8, 0, 2] }));
  const client = new Bench(true);
  client.forward(tcp(10), { kind: OFFLOAD_UNKNOWN });
  client.forward(tcp(10), { kind: OFFLOAD_CHECKSUM, checksumStart: 20, checksumField: 200 });
  client.forward(ipPacket({ protocol: 17, payload: new Uint8Array(100) }), {
    ...{ kind: OFFLOAD_TCP, segmentSize: 50 },
  });
  client.forward(tcp(100), { kind: OFFLOAD_UDP, segmentSize: 50 });
  deepEqual([bench.sent, client.sent], [[], []]);
  deepEqual(Object.fromEntries(bench.drops.entries()), {
    ...{ "not IP": 1, "no session for destination": 2, "no live path": 1 },
  });
  deepEqual(client.drops.entries(), [["bad offload request", 4]]);
});

for (const x1 of [true, false]) {
  const wire = x1 ? "x1" : "v1";
  const flags = x1 ? FLAG_PARTIAL_CHECKSUM : 0;

  Deno.test(`${wire}: a checksum that the kernel left is ${x1 ? "left on" : "completed"}`, () => {
    const bench = new Bench(x1);
    const whole = tcp(101);
    const partial = whole.slice();
    const sum = pseudoSum(partial);
    new DataView(partial.buffer).setUint16(TCP + 16, sum);
    bench.forward(partial, {
      ...{ kind: OFFLOAD_CHECKSUM, checksumStart: TCP, checksumField: TCP + 16 },
    });
    deepEqual(bench.sent.map(({ packet }) => packet), [x1 ? partial : whole]);
    deepEqual(bench.sent.map((sent) => sent.flags & FLAG_PARTIAL_CHECKSUM), [flags]);
  });

  Deno.test(`${wire}: a super-packet is cut into what the paths carry`, () => {
    const bench = new Bench(x1);
    bench.limit(1000);
    equal(bench.forward(tcp(10_000), { kind: OFFLOAD_TCP, segmentSize: 1360 }), 11);
    equal(bench.sent.length, 11);
    for (const { packet, flags: sentFlags } of bench.sent) {
      ok(packet.length <= 1000);
      equal(sentFlags & FLAG_PARTIAL_CHECKSUM, flags);
      if (!x1) ok(hasRightChecksums(packet, TCP));
    }
    equal(bench.sent.reduce((sum, { packet }) => sum + packet.length - 40, 0), 10_000);
  });
}

for (const x1 of [true, false]) {
  Deno.test(`${x1 ? "x1" : "v1"}: a UDP super-packet is cut into the datagrams it stands for`, () => {
    const bench = new Bench(x1);
    const data = Uint8Array.from({ length: 2500 }, (_, at) => at);
    const offload = { kind: OFFLOAD_UDP, segmentSize: 1000 };
    equal(bench.forward(partialUdpPacket(data), offload), 3);
    const sent = bench.sent.map(({ packet }) => packet);
    deepEqual(sent.map(({ length }) => length), [1028, 1028, 528]);
    deepEqual(new Uint8Array(sent.flatMap((packet) => [...packet.subarray(28)])), data);
    const expected = partialUdpPacket(data.subarray(0, 1000));
    if (x1) deepEqual(sent[0], expected);
    else for (const packet of sent) ok(hasRightChecksums(packet, 20));
    const flags = x1 ? FLAG_PARTIAL_CHECKSUM : 0;
    for (const one of bench.sent) equal(one.flags & FLAG_PARTIAL_CHECKSUM, flags);
  });
}

Deno.test("datagrams that are too big are not cut smaller: each is answered", () => {
  const bench = new Bench(true);
  bench.limit(600);
  const offload = { kind: OFFLOAD_UDP, segmentSize: 1000 };
  bench.forward(partialUdpPacket(new Uint8Array(2100)), offload);
  deepEqual(bench.sent.map(({ packet }) => packet.length), [128]);
  equal(bench.answered.length, 2);
  deepEqual(bench.drops.entries(), [["too big for path", 2]]);
});

Deno.test("a packet that is too big is answered as a router would, or fragmented", () => {
  const bench = new Bench(true);
  bench.limit(600);
  bench.forward(tcp(1000));
  equal(bench.answered.length, 1);
  deepEqual([...bench.answered[0]!.subarray(20, 22)], [3, 4], "fragmentation needed");
  bench.forward(ipPacket({ protocol: 17, fragment: 0, payload: new Uint8Array(1000) }));
  deepEqual(bench.sent.map(({ packet }) => packet.length), [596, 444]);
  deepEqual(bench.drops.entries(), [["too big for path", 2]]);
});

/** The sum that a kernel leaves in the checksum field of a TCP packet. */
function pseudoSum(packet: Uint8Array): number {
  const length = packet.length - TCP;
  let sum = 6 + length;
  for (let at = 12; at < 20; at += 2) sum += (packet[at]! << 8) | packet[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
