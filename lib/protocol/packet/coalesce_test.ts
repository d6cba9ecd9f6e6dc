import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Segmenter } from "./segment.ts";
import { completeChecksum, fold, sumPseudoHeader } from "./checksum.ts";
import { hasRightChecksums, ipv6, type TcpFields, tcpPacket } from "./test_packet.ts";
import { TcpCoalescer } from "./coalesce.ts";

const ACK = 0x10, PSH = 0x08;
const SIZE = 100;

/** Packets one after the other in one memory, with the pseudo-header's sum for a checksum. */
class Batch {
  readonly view: DataView;
  readonly coalescer: TcpCoalescer;
  readonly packets: { at: number; transport: number; end: number }[] = [];
  #used = 0;

  constructor(length: number) {
    this.view = new DataView(new ArrayBuffer(length));
    this.coalescer = new TcpCoalescer();
  }

  put(packet: Uint8Array, transportLength: number) {
    const at = this.#used;
    this.#used += packet.length;
    new Uint8Array(this.view.buffer).set(packet, at);
    const transport = at + transportLength;
    const sum = sumPseudoHeader(this.view, at, 6) + packet.length - transportLength;
    this.view.setUint16(transport + 16, fold(sum));
    return { at, transport, end: at + packet.length };
  }

  start(packet: Uint8Array, transportLength: number): boolean {
    const { at, transport, end } = this.put(packet, transportLength);
    this.packets.push({ at, transport, end });
    return this.coalescer.start(this.view, at, transport, end);
  }

  append(packet: Uint8Array, transportLength: number): boolean {
    const { at, transport, end } = this.put(packet, transportLength);
    const isTaken = this.coalescer.append(this.view, at, transport, end);
    if (isTaken) this.packets.push({ at, transport, end });
    return isTaken;
  }

  /** The super-packet, its checksum completed. */
  finish(): Uint8Array<ArrayBuffer> {
    const { headersLength, transportDistance } = this.coalescer;
    const length = this.coalescer.finish();
    const parts = this.packets.flatMap(({ at, end }, index) => [
      ...new Uint8Array(this.view.buffer, at, end - at).subarray(index === 0 ? 0 : headersLength),
    ]);
    const whole = new Uint8Array(parts);
    equal(whole.length, length);
    const view = new DataView(whole.buffer);
    completeChecksum(view, transportDistance, length, transportDistance + 16);
    return whole;
  }
}

Deno.test("what segmentation cut, coalescing joins to the packet it was", () => {
  const fields = fc.record({
    version: fc.constantFrom<4 | 6>(4, 6),
    payload: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 5000 }) },
      fc.integer({ min: 1, max: 65_000 }),
    ).map((length) => Uint8Array.from({ length }, (_, index) => index * 13)),
    options: fc.nat({ max: 10 }).map((words) => new Uint8Array(words * 4).fill(1)),
    sequence: fc.oneof(
      fc.nat({ max: 0xffffffff }),
      fc.integer({ min: 0xffff0000, max: 0xffffffff }),
    ),
    flags: fc.constantFrom(ACK, ACK | PSH),
    identification: fc.nat({ max: 0xffff }),
    tos: fc.nat({ max: 255 }),
    ttl: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(fields, fc.integer({ min: 60, max: 1400 }), (fields, size) => {
      const segmentSize = Math.max(size, Math.ceil(fields.payload.length / 60));
      const original = tcpPacket(fields);
      const memory = original.slice();
      const transport = fields.version === 4 ? 20 : 40;
      const segmenter = new Segmenter(new DataView(memory.buffer));
      const count = segmenter.begin(0, transport, memory.length, segmentSize);
      const batch = new Batch(2 * memory.length + 100 * count);
      for (let index = 0; segmenter.next(); index++) {
        const segment = memory.slice(segmenter.offset, segmenter.offset + segmenter.length);
        ok(index === 0 ? batch.start(segment, transport) : batch.append(segment, transport));
      }
      equal(batch.coalescer.count, count);
      equal(batch.coalescer.segmentSize, Math.min(segmentSize, fields.payload.length));
      equal(batch.coalescer.isIpv4, fields.version === 4);
      const joined = batch.finish();
      ok(hasRightChecksums(joined, transport));
      deepEqual(joined, original);
    }),
    { numRuns: 100 },
  );
});

for (const version of [4, 6] as const) {
  const transport = version === 4 ? 20 : 40;
  const base: Partial<TcpFields> = {
    version,
    options: new Uint8Array(12).fill(1),
    payload: new Uint8Array(SIZE),
    sequence: 0xffffffff - 50,
  };
  const next: Partial<TcpFields> = { ...base, sequence: 49, identification: 1 };
  const otherAddress = version === 4 ? [10, 8, 0, 9] : ipv6(9);
  const appends = (first: Partial<TcpFields>, second: Partial<TcpFields>) => {
    const batch = new Batch(70_000);
    ok(batch.start(tcpPacket(first), transport));
    return batch.append(tcpPacket(second), transport);
  };

  Deno.test(`IPv${version}: the next packet of the flow is taken, across sequence 0`, () => {
    ok(appends(base, next));
    ok(appends(base, { ...next, flags: ACK | PSH }));
    ok(appends(base, { ...next, payload: new Uint8Array(1) }));
  });

  for (
    const [what, change] of Object.entries<Partial<TcpFields>>({
      "a gap": { sequence: 50 },
      "a repetition": { sequence: base.sequence! },
      "another acknowledgement": { acknowledgement: 1 },
      "another window": { window: 1 },
      "other options": { options: new Uint8Array(12).fill(2) },
      "an option in the last byte": { options: new Uint8Array(12).fill(1).fill(0, 11) },
      "fewer options": { options: new Uint8Array(8).fill(1) },
      "another TTL": { ttl: 63 },
      "another TOS": { tos: 4 },
      "a congestion mark": { tos: 3 },
      "another source port": { sourcePort: 1 },
      "another destination port": { destinationPort: 1 },
      "another source": { source: otherAddress },
      "another destination": { destination: otherAddress },
      "SYN": { flags: ACK | 2 },
      "FIN": { flags: ACK | 1 },
      "RST": { flags: ACK | 4 },
      "URG": { flags: ACK | 0x20 },
      "ECE": { flags: ACK | 0x40 },
      "CWR": { flags: ACK | 0x80 },
      "no ACK": { flags: 0 },
      "a longer packet": { payload: new Uint8Array(SIZE + 1) },
      "no payload": { payload: new Uint8Array() },
      ...(version === 4 ? { "no DF": { fragment: 0 } } : {}),
    })
  ) {
    Deno.test(`IPv${version}: ${what} is not taken`, () => {
      equal(appends(base, { ...next, ...change }), false);
    });
  }

  Deno.test(`IPv${version}: nothing follows a PSH or a shorter packet`, () => {
    equal(appends({ ...base, flags: ACK | PSH }, next), false);
    for (
      const second of [{ ...next, flags: ACK | PSH }, {
        ...next,
        payload: new Uint8Array(SIZE - 1),
      }]
    ) {
      const batch = new Batch(1000);
      batch.start(tcpPacket(base), transport);
      ok(batch.append(tcpPacket(second), transport));
      const sequence = 49 + second.payload!.length;
      equal(batch.append(tcpPacket({ ...next, sequence }), transport), false);
      const joined = batch.finish();
      ok(hasRightChecksums(joined, transport));
      equal(joined[transport + 13]! & PSH, (second.flags ?? 0) & PSH);
    }
  });

  Deno.test(`IPv${version}: SYN, FIN, URG and the like, no payload and no ACK open no batch`, () => {
    const opens = (change: Partial<TcpFields>) =>
      new Batch(1000).start(tcpPacket({ ...base, ...change }), transport);
    ok(opens({}));
    for (const flags of [0, 1, 2, 4, 8, 0x20, 0x40, 0x80]) {
      equal(opens({ flags: flags === 0 || flags === 8 ? flags : ACK | flags }), false);
    }
    equal(opens({ payload: new Uint8Array() }), false);
  });

  Deno.test(`IPv${version}: a batch grows to 65535 bytes and no further`, () => {
    const payload = new Uint8Array(1400);
    const batch = new Batch(90_000);
    const headers = transport + 20;
    batch.start(tcpPacket({ version, payload, sequence: 0 }), transport);
    let count = 1;
    while (batch.append(tcpPacket({ version, payload, sequence: 1400 * count }), transport)) {
      count++;
    }
    equal(count, Math.floor((65_535 - headers) / 1400));
    const room = 65_535 - headers - count * 1400;
    const last = (length: number) =>
      tcpPacket({ version, payload: new Uint8Array(length), sequence: 1400 * count });
    equal(batch.append(last(room + 1), transport), false);
    ok(batch.append(last(room), transport));
    const joined = batch.finish();
    equal(joined.length, 65_535);
    ok(hasRightChecksums(joined, transport));
  });
}

Deno.test("IPv4 options and IPv6 extension headers open no batch", () => {
  const four = tcpPacket({ payload: new Uint8Array(SIZE) });
  const long = new Uint8Array([...four.subarray(0, 20), 1, 1, 1, 0, ...four.subarray(20)]);
  long[0] = 0x46;
  equal(new Batch(1000).start(long, 24), false);
  const extensions = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0);
  const six = tcpPacket({
    ...{ version: 6, extensions, firstExtension: 60, payload: new Uint8Array(SIZE) },
  });
  equal(new Batch(1000).start(six, 48), false);
});

Deno.test("a TCP header longer than the packet, or shorter than 20, opens no batch", () => {
  for (const dataOffset of [0x40, 0xf0]) {
    const packet = tcpPacket({ payload: new Uint8Array(8) });
    packet[32] = dataOffset;
    equal(new Batch(100).start(packet, 20), false);
  }
});

Deno.test("IPv4 and IPv6 never meet in a batch, and a closed one takes nothing", () => {
  const payload = new Uint8Array(SIZE);
  const batch = new Batch(1000);
  batch.start(tcpPacket({ payload, sequence: 0 }), 20);
  equal(batch.append(tcpPacket({ version: 6, payload, sequence: SIZE }), 40), false);
  batch.coalescer.finish();
  equal(batch.append(tcpPacket({ payload, sequence: SIZE }), 20), false);
});

Deno.test("a single packet leaves as it came", () => {
  const batch = new Batch(1000);
  const packet = tcpPacket({ payload: new Uint8Array(SIZE), identification: 9 });
  batch.start(packet, 20);
  deepEqual(batch.finish(), packet);
});

Deno.test("hostile packets are never read outside of", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 20, maxLength: 120 }), (bytes) => {
    const packet = bytes.slice();
    packet[0] = packet[0]! & 1 ? 0x45 : 0x60;
    const transport = packet[0] === 0x45 ? 20 : 40;
    if (transport > packet.length) return;
    // The view ends with the second packet: a read behind it throws.
    const memory = new Uint8Array([...packet, ...packet]);
    const view = new DataView(memory.buffer);
    const coalescer = new TcpCoalescer();
    const length = packet.length;
    coalescer.start(view, 0, transport, length);
    coalescer.append(view, length, length + transport, 2 * length);
  }));
});
