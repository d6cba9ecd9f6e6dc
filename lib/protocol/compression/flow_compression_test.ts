import { equal, ok } from "node:assert/strict";
import { FlowKey } from "../packet/flow_key.ts";
import { PROTOCOL_ICMP, PROTOCOL_ICMP6, PROTOCOL_UDP } from "../packet/ip.ts";
import type { CompressionMode } from "./compression_mode.ts";
import { FlowCompression } from "./flow_compression.ts";
import { gzipPacket } from "./packet_gzip.ts";
import { encryptedBytes, flowOf, textBytes } from "./test_traffic.ts";

const LENGTH = 1400;
const ENCRYPTED = Array.from({ length: 50 }, (_, seed) => encryptedBytes(LENGTH, seed));
const TEXT = Array.from({ length: 20 }, (_, seed) => textBytes(LENGTH, seed));
/** Passes for compressible, because the bytes looked at are zeros, and does not shrink by an eighth. */
const DECEPTIVE = ENCRYPTED.map((packet) =>
  packet.map((byte, at) => (at - 40) % 9 === 0 ? 0 : byte)
);

/** One engine's packets, one each millisecond unless told, compressed as the engine does it. */
class Bench {
  now = 0;
  /** What a try takes. */
  costMs = 0;
  readonly compression = new FlowCompression();

  constructor(readonly mode: CompressionMode = "auto") {}

  send(flow: FlowKey, packet: Uint8Array, intervalMs = 1): "plain" | "failed" | "compressed" {
    this.now += intervalMs;
    const { compression, mode } = this;
    const capacity = compression.capacityFor(mode, flow, packet, 0, packet.length, this.now);
    if (capacity === 0) return "plain";
    ok(capacity < packet.length);
    const paid = gzipPacket(packet, capacity) !== null;
    compression.noteTry(paid, this.costMs);
    return paid ? "compressed" : "failed";
  }

  /** How many of `count` packets of a flow came to be what. */
  run(flow: FlowKey, packets: readonly Uint8Array[], count: number) {
    const outcomes = { plain: 0, failed: 0, compressed: 0 };
    for (let sent = 0; sent < count; sent++) {
      outcomes[this.send(flow, packets[sent % packets.length]!)]++;
    }
    return outcomes;
  }
}

Deno.test("auto: each packet of a flow of text is compressed", () => {
  for (const version of [4, 6] as const) {
    equal(new Bench().run(flowOf(1000, version), TEXT, 500).compressed, 500);
  }
});

Deno.test("auto: encrypted packets do not get as far as a try", () => {
  equal(new Bench().run(flowOf(1000), ENCRYPTED, 10_000).plain, 10_000);
});

Deno.test("auto: of packets that look well and do not pay, less than one in 100 is tried", () => {
  const bench = new Bench();
  const warmUp = bench.run(flowOf(1000), DECEPTIVE, 2100);
  ok(warmUp.failed > 0 && warmUp.failed <= 9, `${warmUp.failed} tries`);
  const { failed, compressed } = bench.run(flowOf(1000), DECEPTIVE, 10_250);
  equal(compressed, 0);
  ok(failed > 0 && failed <= 11, `${failed} tries`);
});

Deno.test("auto: the back-off is 8 packets first, and doubles up to 1024", () => {
  const bench = new Bench();
  const flow = flowOf(1000);
  const skipped: number[] = [];
  equal(bench.send(flow, DECEPTIVE[0]!), "failed");
  for (let count = 0; skipped.length < 9; count++) {
    if (bench.send(flow, DECEPTIVE[0]!) === "plain") continue;
    skipped.push(count);
    count = -1;
  }
  equal(skipped.join(), "8,16,32,64,128,256,512,1024,1024");
});

Deno.test("auto: a flow that turns to text is found out within 1024 packets", () => {
  const bench = new Bench();
  const flow = flowOf(1000);
  bench.run(flow, ENCRYPTED, 5000);
  ok(bench.run(flow, TEXT, 1100).compressed > 0);
  equal(bench.run(flow, TEXT, 100).compressed, 100);
});

Deno.test("auto: one bad packet costs a flow of text 8 packets", () => {
  const bench = new Bench();
  const flow = flowOf(1000);
  bench.run(flow, TEXT, 10);
  bench.send(flow, ENCRYPTED[0]!);
  equal(bench.run(flow, TEXT, 100).compressed, 92);
  bench.send(flow, ENCRYPTED[1]!);
  equal(bench.run(flow, TEXT, 100).compressed, 92);
});

Deno.test("auto: flows side by side do not suffer from each other", () => {
  const bench = new Bench();
  const encrypted = Array.from({ length: 5 }, (_, index) => flowOf(2000 + index));
  const text = Array.from({ length: 5 }, (_, index) => flowOf(3000 + index));
  for (let round = 0; round < 100; round++) {
    for (const flow of encrypted) equal(bench.send(flow, ENCRYPTED[round % 50]!, 0.2), "plain");
    for (const flow of text) equal(bench.send(flow, TEXT[round % 20]!, 0.2), "compressed");
  }
});

/** A flow of nothing but two hashes. */
function flowHashed(hashA: number, hashB: number): FlowKey {
  return Object.assign(flowOf(1000), { hashA, hashB });
}

Deno.test("auto: of two flows that meet in one slot, each has its own", () => {
  for (const meeting of [flowHashed(4096 + 5, 77), flowHashed(5, 4096 + 77), flowHashed(77, 5)]) {
    const bench = new Bench();
    for (let round = 0; round < 50; round++) {
      bench.send(flowHashed(5, 77), ENCRYPTED[round]!);
      equal(bench.send(meeting, TEXT[round % 20]!), "compressed");
    }
  }
});

Deno.test("auto: a flow that finds both slots taken shares one, until the holder is idle", () => {
  const bench = new Bench();
  const [first, second, third] = [flowHashed(5, 6), flowHashed(6, 5), flowHashed(4101, 4102)];
  for (let round = 0; round < 50; round++) {
    bench.send(first, ENCRYPTED[round]!);
    bench.send(second, ENCRYPTED[round]!);
  }
  equal(bench.send(third, TEXT[0]!), "plain");
  bench.now += 1000;
  bench.send(second, ENCRYPTED[0]!);
  bench.now += 1500;
  equal(bench.send(third, TEXT[0]!), "compressed");
});

Deno.test("auto: sharing a slot with text, a bad flow is tried at most once in four packets", () => {
  const bench = new Bench();
  bench.send(flowHashed(5, 6), DECEPTIVE[0]!);
  bench.send(flowHashed(6, 5), DECEPTIVE[0]!);
  const outcomes = { plain: 0, failed: 0, compressed: 0 };
  for (let round = 0; round < 400; round++) {
    bench.send(flowHashed(6, 5), TEXT[0]!, 0.5);
    bench.send(flowHashed(5, 6), TEXT[0]!, 0.5);
    outcomes[bench.send(flowHashed(4101, 4102), DECEPTIVE[0]!, 0.5)]++;
  }
  equal(outcomes.compressed, 0);
  ok(outcomes.failed <= 400 / 4, `${outcomes.failed} tries`);
});

Deno.test("auto: a flow starts anew after 2 s without a packet", () => {
  const bench = new Bench();
  const flow = flowOf(1000);
  bench.run(flow, ENCRYPTED, 500);
  equal(bench.send(flow, TEXT[0]!), "plain");
  equal(bench.send(flow, TEXT[0]!, 2001), "compressed");
});

Deno.test("auto: small packets, ICMP, unknown protocols and what the peer refuses stay plain", () => {
  const bench = new Bench();
  const flow = flowOf(1000);
  equal(bench.send(flow, new Uint8Array(399)), "plain");
  equal(bench.send(flow, new Uint8Array(400)), "compressed");
  equal(bench.send(flow, new Uint8Array(1500)), "compressed");
  equal(bench.send(flow, new Uint8Array(1501)), "plain");
  for (const protocol of [PROTOCOL_ICMP, PROTOCOL_ICMP6, 0, 50]) {
    equal(bench.send(Object.assign(flowOf(1000), { protocol }), TEXT[0]!), "plain");
  }
  equal(
    bench.send(Object.assign(flowOf(2000), { protocol: PROTOCOL_UDP }), TEXT[0]!),
    "compressed",
  );
});

Deno.test("auto: nothing is compressed while that would take most of the processor's time", () => {
  const bench = new Bench();
  const flow = flowOf(1000);
  bench.costMs = 0.05;
  for (let sent = 0; sent < 30_000; sent++) bench.send(flow, TEXT[0]!, 0.06);
  equal(bench.send(flow, TEXT[0]!, 0.06), "plain");
  for (let sent = 0; sent < 1500; sent++) bench.send(flow, TEXT[0]!);
  equal(bench.send(flow, TEXT[0]!), "compressed");
});

Deno.test("off: nothing is compressed", () => {
  equal(new Bench("off").run(flowOf(1000), TEXT, 100).plain, 100);
});

Deno.test("always: every packet that becomes smaller is, whatever its flow and the rate", () => {
  const bench = new Bench("always");
  const icmp = Object.assign(flowOf(1000), { protocol: PROTOCOL_ICMP });
  for (let sent = 0; sent < 200; sent++) {
    equal(bench.send(icmp, new Uint8Array(84), 0.01), "compressed");
    equal(bench.send(icmp, ENCRYPTED[0]!, 0.01), "failed");
  }
  const slightly = ENCRYPTED[0]!.slice().fill(0, 1300);
  equal(new Bench("auto").send(flowOf(1000), slightly), "plain");
  equal(bench.send(icmp, slightly), "compressed");
  equal(bench.send(icmp, new Uint8Array(23)), "plain");
  equal(bench.send(icmp, new Uint8Array(1501)), "plain");
});

Deno.test("a session that always compresses changes nothing for those that do not", () => {
  const bench = new Bench();
  const flow = flowOf(1000);
  equal(bench.send(flow, TEXT[0]!), "compressed");
  const { compression } = bench;
  ok(compression.capacityFor("always", flow, ENCRYPTED[0]!, 0, LENGTH, bench.now) > 0);
  compression.noteTry(false, 0);
  equal(bench.run(flow, TEXT, 20).compressed, 20);
});
