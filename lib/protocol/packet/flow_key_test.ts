import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { ipPacket, ipv6, tcpPacket } from "./test_packet.ts";
import { FlowKey, readFlowKey, readTcpSegment } from "./flow_key.ts";

/** Reads a packet that nothing lies around: a read outside of it throws. */
function read(packet: Uint8Array): FlowKey | null {
  const key = new FlowKey();
  const view = new DataView(packet.slice().buffer);
  return readFlowKey(view, 0, packet.length, key) ? key : null;
}

function flowOf(packet: Uint8Array): string {
  const { transport: _transport, end: _end, ...flow } = read(packet)!;
  return JSON.stringify(flow);
}

const PORTS = (40000 << 16) | 443;
/** Hop-by-hop, destination options and routing headers, 8, 16 and 24 bytes, then `next`. */
function extensions(next: number): Uint8Array {
  const bytes = new Uint8Array(48);
  bytes.set([60, 0], 0);
  bytes.set([43, 1], 8);
  bytes.set([next, 2], 24);
  return bytes;
}

Deno.test("a TCP packet's flow is its addresses, protocol and ports", () => {
  const key = read(tcpPacket({ payload: new Uint8Array(5) }))!;
  deepEqual([key.version, key.protocol, key.transport, key.end], [4, 6, 20, 45]);
  deepEqual([key.source0, key.source3, key.destination3], [0, 0x0a080002, 0x0a080001]);
  equal(key.ports, PORTS | 0);
  const six = read(tcpPacket({ version: 6, payload: new Uint8Array(5) }))!;
  deepEqual([six.version, six.protocol, six.transport, six.end], [6, 6, 40, 65]);
  deepEqual([six.source0, six.source3, six.destination3], [0xfd000008 | 0, 2, 1]);
  equal(six.ports, PORTS | 0);
});

Deno.test("IPv4 options and IPv6 extension headers are passed over", () => {
  const plain = tcpPacket({});
  const long = new Uint8Array([...plain.subarray(0, 20), 1, 1, 1, 0, ...plain.subarray(20)]);
  long[0] = 0x46;
  long[3] = long.length;
  equal(read(long)!.transport, 24);
  equal(flowOf(long), flowOf(plain));
  const extended = tcpPacket({ version: 6, extensions: extensions(6), firstExtension: 0 });
  equal(read(extended)!.transport, 88);
  equal(flowOf(extended), flowOf(tcpPacket({ version: 6 })));
  const authentication = new Uint8Array(16);
  authentication.set([6, 2]);
  const authenticated = tcpPacket({ version: 6, extensions: authentication, firstExtension: 51 });
  equal(read(authenticated)!.transport, 56);
  equal(read(authenticated)!.ports, PORTS | 0);
});

Deno.test("what lies behind the packet, and its TTL and TOS, are no part of the flow", () => {
  for (const version of [4, 6] as const) {
    const packet = tcpPacket({ version });
    const key = read(new Uint8Array([...packet, 1, 2, 3]))!;
    equal(key.end, packet.length);
    equal(flowOf(tcpPacket({ version, tos: 3, ttl: 1, sequence: 7 })), flowOf(packet));
  }
});

Deno.test("the sequence number and the payload of TCP are read, and only of TCP", () => {
  const segmentOf = (packet: Uint8Array<ArrayBuffer>) => {
    const key = read(packet)!;
    readTcpSegment(new DataView(packet.buffer), key);
    return [key.sequence, key.payloadBytes];
  };
  for (const version of [4, 6] as const) {
    const options = new Uint8Array(12).fill(1);
    const fields = { version, sequence: 7, options, payload: new Uint8Array(5) };
    deepEqual(segmentOf(tcpPacket(fields)), [7, 5]);
  }
  deepEqual(segmentOf(ipPacket({ protocol: 17, payload: new Uint8Array(40).fill(9) })), [0, 0]);
});

Deno.test("an acknowledgement is plain that has no payload, no other flag, and no option but times", () => {
  const times = new Uint8Array([1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
  const sack = new Uint8Array([1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
  const isPlain = (fields: Parameters<typeof tcpPacket>[0]) => {
    const packet = tcpPacket(fields);
    const key = read(packet)!;
    readTcpSegment(new DataView(packet.buffer), key);
    return key.isPlainAck && key.acknowledgement === 4_000_000_000;
  };
  const acknowledgement = 4_000_000_000;
  for (const version of [4, 6] as const) {
    equal(isPlain({ version, acknowledgement }), true);
    equal(isPlain({ version, acknowledgement, options: times }), true);
    equal(isPlain({ version, acknowledgement, options: sack }), false);
    equal(isPlain({ version, acknowledgement, options: new Uint8Array(24) }), false);
    equal(isPlain({ version, acknowledgement, payload: new Uint8Array(1) }), false);
    // SYN, FIN, RST, PSH, ECE beside ACK, and no ACK at all.
    for (const flags of [0x12, 0x11, 0x14, 0x18, 0x50, 0x00]) {
      equal(isPlain({ version, acknowledgement, flags }), false, `${flags}`);
    }
  }
});

Deno.test("first and later fragments are one flow, whatever their first bytes", () => {
  const udp = (fragment: number, payload: Uint8Array) =>
    flowOf(ipPacket({ protocol: 17, fragment, payload }));
  const first = udp(0x2000, new Uint8Array(16).fill(1));
  equal(udp(0x2002, new Uint8Array(16).fill(2)), first);
  equal(udp(0x0004, new Uint8Array(3).fill(3)), first);
  const six = (offset: number, payload: Uint8Array) => {
    const header = new Uint8Array(8);
    header.set([17, 0, offset >> 8, offset & 0xff]);
    return ipPacket({ version: 6, extensions: header, firstExtension: 44, payload });
  };
  const key = read(six(1, new Uint8Array(16).fill(1)))!;
  deepEqual([key.protocol, key.transport, key.ports], [17, -1, 0]);
  equal(flowOf(six(17, new Uint8Array(16).fill(2))), flowOf(six(1, new Uint8Array(16).fill(1))));
  equal(flowOf(six(32, new Uint8Array())), flowOf(six(1, new Uint8Array(16).fill(1))));
});

Deno.test("ICMP echoes are told apart by identifier, other ICMP is not", () => {
  for (
    const [version, protocol, echo, reply, error] of [[4, 1, 8, 0, 3], [
      6,
      58,
      128,
      129,
      1,
    ]] as const
  ) {
    const icmp = (type: number, id: number) =>
      ipPacket({
        version,
        protocol,
        payload: Uint8Array.of(type, 0, 0, 0, id >> 8, id & 255, 0, 9),
      });
    equal(read(icmp(echo, 0x1234))!.ports, 0x1234);
    equal(read(icmp(reply, 0x1234))!.ports, 0x1234);
    notEqual(flowOf(icmp(echo, 1)), flowOf(icmp(echo, 2)));
    equal(flowOf(icmp(error, 1)), flowOf(icmp(error, 2)));
  }
});

Deno.test("other protocols, and transport headers cut short, have no ports", () => {
  for (const [protocol, length] of [[47, 40], [6, 7], [17, 7], [17, 0], [132, 20]] as const) {
    for (const version of [4, 6] as const) {
      const packet = ipPacket({ version, protocol, payload: new Uint8Array(length).fill(9) });
      deepEqual([read(packet)!.transport, read(packet)!.ports], [-1, 0]);
    }
  }
});

Deno.test("what is no whole IP packet is refused", () => {
  const refused = (packet: Uint8Array, at: number, value: number) => {
    const changed = packet.slice();
    changed[at] = value;
    equal(read(changed), null, `byte ${at} = ${value}`);
  };
  const four = tcpPacket({ payload: new Uint8Array(4) });
  const six = tcpPacket({ version: 6, payload: new Uint8Array(4) });
  for (const version of [0x05, 0x35, 0x55, 0xf5]) refused(four, 0, version);
  refused(four, 0, 0x44); // header shorter than 20
  refused(four, 3, 19); // total length shorter than the header
  refused(four, 3, four.length + 1);
  refused(six, 5, six.length - 40 + 1);
  for (const packet of [four, six]) {
    for (let length = 0; length < packet.length; length++) {
      equal(read(packet.slice(0, length)), null);
    }
  }
});

Deno.test("hostile packets are never read outside of, and never throw", () => {
  const start = fc.constantFrom(
    [],
    [...tcpPacket({}).subarray(0, 20)],
    [...tcpPacket({ version: 6 }).subarray(0, 40)],
    [...tcpPacket({ version: 6, extensions: extensions(0), firstExtension: 0 }).subarray(0, 88)],
  );
  const change = fc.tuple(fc.nat({ max: 100 }), fc.constantFrom(0, 1, 6, 17, 43, 44, 51, 60, 255));
  fc.assert(
    fc.property(
      start,
      fc.uint8Array({ maxLength: 60 }),
      fc.array(change),
      (head, rest, changes) => {
        const packet = new Uint8Array([...head, ...rest]);
        if (packet[0] === 0x45) packet[3] = packet.length;
        if (packet[0] === 0x60) packet[5] = Math.max(0, packet.length - 40);
        for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
        const key = read(packet);
        if (key === null) return;
        ok(key.end <= packet.length);
        ok(key.transport === -1 || (key.transport >= 20 && key.transport <= key.end));
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("a chain of extension headers without end is taken for the protocol", () => {
  const endless = ipPacket({ version: 6, extensions: new Uint8Array(160), firstExtension: 0 });
  deepEqual([read(endless)!.protocol, read(endless)!.transport], [0, -1]);
});

Deno.test("hashes depend on all of the flow, its direction too", () => {
  const a = ipv6(2), b = ipv6(1);
  const flows = [
    tcpPacket({}),
    tcpPacket({ source: [10, 8, 0, 1], destination: [10, 8, 0, 2] }),
    tcpPacket({ sourcePort: 443, destinationPort: 40000 }),
    tcpPacket({ sourcePort: 40001 }),
    ipPacket({ protocol: 17, payload: tcpPacket({}).subarray(20) }),
    ipPacket({ protocol: 47 }),
    tcpPacket({ version: 6 }),
    tcpPacket({ version: 6, source: b, destination: a }),
    ...Array.from({ length: 32 }, (_, index) => {
      const source = [...a, ...b];
      source[index]! ^= 0x80;
      return tcpPacket({ version: 6, source: source.slice(0, 16), destination: source.slice(16) });
    }),
  ].map((packet) => read(packet)!);
  equal(new Set(flows.map(({ hashA }) => hashA)).size, flows.length);
  equal(new Set(flows.map(({ hashB }) => hashB)).size, flows.length);
});

Deno.test("hashes of neighbouring flows spread evenly, each by itself and both together", () => {
  const buckets = 64, flows = 64 * 200;
  const counts = [0, 1, 2].map(() => new Uint32Array(buckets));
  for (let flow = 0; flow < flows; flow++) {
    const packet = tcpPacket({
      source: [10, 8, 0, 2 + (flow & 63)],
      sourcePort: 32768 + (flow >> 6),
    });
    const { hashA, hashB } = read(packet)!;
    for (const [index, hash] of [hashA, hashB, (hashA >>> 3) ^ hashB].entries()) {
      counts[index]![hash & (buckets - 1)]!++;
    }
  }
  // Chi squared over 64 buckets: 63 on average, above 140 once in ten million.
  for (const count of counts) {
    const expected = flows / buckets;
    const chiSquared = count.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    ok(chiSquared < 140, `chi squared ${chiSquared}`);
  }
});
