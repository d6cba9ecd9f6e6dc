import { deepEqual, equal, ok } from "node:assert/strict";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { gzipSync } from "node:zlib";
import { Libc } from "../../ffi/libc/libc.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import {
  completeChecksum,
  fold,
  sumPseudoHeader,
  writeIpv4Checksum,
} from "../../protocol/packet/checksum.ts";
import type { EpochLimits } from "../../protocol/crypto/key_epochs.ts";
import { Session } from "../../protocol/session/session.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { v1Wire } from "../../protocol/v1/v1_wire.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import {
  FLAG_ORDER_EXTENSION,
  FLAG_PARTIAL_CHECKSUM,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  TYPE_CONTROL,
  TYPE_HANDSHAKE,
  TYPE_PACKET,
} from "../../protocol/wire/header.ts";
import { decodeTunnelMessage, encodeTunnelMessage } from "../../protocol/wire/tunnel_message.ts";
import { Driver } from "../driver/driver.ts";
import type { RecordSink } from "../driver/ends.ts";
import { newMemory } from "../driver/packet_cells.ts";
import { DatagramReceiver } from "./datagram_receiver.ts";
import { GzipCodecs, makeMemory } from "./gzip_codecs.ts";
import type { SessionEntry } from "../driver/sessions.ts";
import { TunPort } from "./tun_port.ts";
import { WEB_CRYPTO_SUITE, type WebOpener, type WebSealer } from "./web_crypto.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";

const O_RDWR = 2;
const O_APPEND = 0o2000;
const COMPRESSION_OFFSET = 12;
const EPOCH_OFFSET = 15;
const SEQUENCE_OFFSET = 6;
const UDP_OFFSET = 20;
const REORDER_FLUSH_MS = 1000;
const FROM = { transport: "udp" as const, hostname: "::ffff:192.0.2.1", port: 40000 };

/** A UDP packet of the client's, its checksum complete. */
function udpPacket(text: string, source = [10, 8, 0, 2]): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const packet = new Uint8Array(28 + payload.length);
  packet.set([0x45, 0, 0, packet.length, 0, 0, 0, 0, 64, 17, 0, 0, ...source, 10, 8, 0, 1]);
  packet.set([0, 53, 0, 54, 0, 8 + payload.length, 0, 0], UDP_OFFSET);
  packet.set(payload, 28);
  const view = new DataView(packet.buffer);
  writeIpv4Checksum(view, 0);
  setPartialChecksum(packet);
  completeChecksum(view, UDP_OFFSET, packet.length, UDP_OFFSET + 6);
  return packet;
}

function setPartialChecksum(packet: Uint8Array): void {
  const view = new DataView(packet.buffer);
  const sum = sumPseudoHeader(view, 0, 17) + packet.length - UDP_OFFSET;
  view.setUint16(UDP_OFFSET + 6, fold(sum));
}

/** A server's inbound side with a file for a TUN device, and the client that sends to it. */
class Bench implements Disposable {
  readonly drops = new DropCounters();
  readonly client: Session<WebSealer, WebOpener>;
  readonly path: SessionPath;
  readonly receiver: DatagramReceiver;
  /** What the server's session has sent by itself. */
  readonly sent: Uint8Array[] = [];
  readonly driver: Driver<WebSealer, WebOpener>;
  readonly #libc = Libc.open();
  readonly #file = Deno.makeTempFileSync();
  readonly #fd = this.#libc.openFile(this.#file, O_RDWR | O_APPEND);

  constructor(x1: boolean, epochLimits?: EpochLimits) {
    const common = {
      id: 0x89abcdef,
      key: new Uint8Array(32).fill(3),
      suite: WEB_CRYPTO_SUITE,
      random: (into: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(into),
      now: performance.now(),
    };
    this.client = new Session({
      ...{ ...common, role: "client", epochLimits },
      wire: x1 ? x1Wire() : v1Wire(),
    });
    const path = { id: 0, name: "fiber", socket: 0, peer: null };
    this.path = this.client.addPath(path, performance.now());
    const { drops } = this;
    const made = makeMemory();
    const packets = new TunPort(this.#libc, this.#fd, drops);
    const records: RecordSink<WebSealer, WebOpener> = {
      hasControlRoom: true,
      send: (_entry, _path, { bytes }, at, length) =>
        void this.sent.push(bytes.slice(at, at + length)),
      flush: () => {},
      close: () => {},
    };
    const { suite, random } = common;
    this.driver = new Driver({
      ...{
        suite,
        random,
        flowSeed: 1,
        unixOffsetMs: 0,
        drops,
        packets,
        records,
        made,
        emit: () => {},
      },
      codecs: new GzipCodecs(made),
    }, packets.read);
    this.driver.openSession({
      x1,
      ...common,
      role: "server",
      ipv4: "10.8.0.2",
      ipv6: "fd00:8::2",
      reorderBufferSize: 8,
      reorderFlushTimeoutMs: REORDER_FLUSH_MS,
      tuning: DEFAULT_TUNING,
      mtu: 1400,
      name: "test",
    }, performance.now());
    this.receiver = new DatagramReceiver(this.driver.inbound, {
      handled: (now) => this.driver.turn(now),
      fail: (error) => {
        throw error;
      },
    });
  }

  get entry(): SessionEntry<WebSealer, WebOpener> {
    return [...this.driver.sessions][0]!;
  }

  /** Gives up all gaps. */
  flush(): void {
    this.driver.tick(performance.now() + 2 * REORDER_FLUSH_MS);
  }

  /** A sealed record of the client's; `change` sees it before. */
  async record(
    type: number,
    payload: Uint8Array,
    flags = 0,
    change: (view: DataView) => void = () => {},
  ): Promise<Uint8Array> {
    const record = new Uint8Array(payload.length + RECORD_OVERHEAD);
    const view = new DataView(record.buffer);
    record.set(payload, PAYLOAD_OFFSET);
    const outgoing = Object.assign(new OutgoingRecord(), { type, flags });
    if (type === TYPE_PACKET) outgoing.sequence = this.client.nextSequence(0);
    const sealer = this.client.writeRecord(view, 0, this.path, payload.length, outgoing);
    change(view);
    equal(await sealer.seal(record), true);
    return record;
  }

  receive(record: Uint8Array): void {
    const buffer = newMemory(2048);
    buffer.bytes.set(record);
    this.receiver.receive({ buffer, length: record.length, socket: 0, from: FROM });
  }

  /** A v1 server knows the path of a packet only after a handshake. */
  async handshake(): Promise<void> {
    this.receive(await this.record(TYPE_HANDSHAKE, new Uint8Array(0)));
  }

  /** The packets the TUN device has been given so far. */
  async delivered(): Promise<Uint8Array[]> {
    await this.receiver.whenDone();
    const bytes = await Deno.readFile(this.#file);
    const packets: Uint8Array[] = [];
    const flow = new FlowKey();
    for (let at = 0; at < bytes.length; at = flow.end) {
      equal(readFlowKey(new DataView(bytes.buffer), at, bytes.length - at, flow), true);
      packets.push(bytes.slice(at, flow.end));
    }
    return packets;
  }

  [Symbol.dispose](): void {
    this.client.free();
    this.driver.close(performance.now());
    this.#libc.closeFile(this.#fd);
    this.#libc.unload();
    Deno.removeSync(this.#file);
  }
}

const gzipped = (view: DataView) => view.setUint8(COMPRESSION_OFFSET, 1);

for (const x1 of [true, false]) {
  const wire = x1 ? "x1" : "v1";

  Deno.test(`${wire}: packets are delivered in the order of arrival, compressed ones too`, async () => {
    using bench = new Bench(x1);
    await bench.handshake();
    const packets = ["one", "two", "three", "four"].map((text) => udpPacket(text));
    for (const [index, packet] of packets.entries()) {
      const isGzip = index % 2 === 0;
      const payload = isGzip ? new Uint8Array(gzipSync(packet)) : packet;
      bench.receive(await bench.record(TYPE_PACKET, payload, 0, isGzip ? gzipped : undefined));
    }
    deepEqual(await bench.delivered(), packets);
    equal(bench.drops.total, 0);
    const [path] = bench.entry.session.paths;
    equal(path?.peer.toString(), "192.0.2.1:40000");
  });

  Deno.test(`${wire}: what cannot be inflated, or has no room, is dropped and counted`, async () => {
    using bench = new Bench(x1);
    await bench.handshake();
    const bomb = new Uint8Array(gzipSync(new Uint8Array(1501)));
    bench.receive(await bench.record(TYPE_PACKET, bomb, 0, gzipped));
    bench.receive(await bench.record(TYPE_PACKET, udpPacket("plain"), 0, gzipped));
    const unknown = (view: DataView) => view.setUint8(COMPRESSION_OFFSET, 2);
    bench.receive(await bench.record(TYPE_PACKET, udpPacket("plain"), 0, unknown));
    deepEqual(await bench.delivered(), []);
    deepEqual(bench.drops.entries(), [["bad gzip", 2], ["bad zstd", 1]]);
  });

  Deno.test(`${wire}: a datagram that is changed, foreign or no record is dropped`, async () => {
    using bench = new Bench(x1);
    await bench.handshake();
    const record = await bench.record(TYPE_PACKET, udpPacket("text"));
    const changed = record.slice();
    changed[PAYLOAD_OFFSET]! ^= 1;
    bench.receive(changed);
    bench.receive(record.subarray(0, RECORD_OVERHEAD - 1));
    const stranger = record.slice();
    stranger[2]! ^= 1;
    bench.receive(stranger);
    bench.receive(await bench.record(TYPE_PACKET, udpPacket("text", [10, 8, 0, 3])));
    bench.receive(await bench.record(TYPE_PACKET, new Uint8Array(40)));
    // v1 has no flags: nobody reads the byte.
    const extended = await bench.record(TYPE_PACKET, udpPacket("text"), 0, (view) => {
      view.setUint8(COMPRESSION_OFFSET + 1, FLAG_ORDER_EXTENSION);
    });
    if (x1) bench.receive(extended);
    await bench.receiver.whenDone();
    bench.flush();
    deepEqual(await bench.delivered(), []);
    deepEqual(Object.fromEntries(bench.drops.entries()), {
      "not authentic": 1,
      "too short": 1,
      "unknown session": 1,
      "foreign source": 1,
      "not IP": 1,
      ...(x1 ? { "bad message": 1 } : {}),
    });
  });
}

Deno.test("x1: a copy is replayed, also while the first is being opened", async () => {
  using bench = new Bench(true);
  const record = await bench.record(TYPE_PACKET, udpPacket("once"));
  bench.receive(record);
  bench.receive(record);
  equal((await bench.delivered()).length, 1);
  bench.receive(record);
  equal((await bench.delivered()).length, 1);
  deepEqual(bench.drops.entries(), [["replayed", 2]]);
});

Deno.test("x1: records of two epochs may be under way together", async () => {
  using bench = new Bench(true, { packets: 3, ms: Infinity });
  const packets = ["1", "2", "3", "4", "5"].map((text) => udpPacket(text));
  const records = [];
  for (const packet of packets) {
    bench.client.notePacketSent(bench.path, performance.now());
    records.push(await bench.record(TYPE_PACKET, packet));
  }
  deepEqual(records.map((record) => record[EPOCH_OFFSET]), [0, 0, 0, 1, 1]);
  for (const index of [0, 3, 1, 4, 2]) bench.receive(records[index]!);
  deepEqual(await bench.delivered(), [0, 3, 1, 4, 2].map((index) => packets[index]));
  equal(bench.drops.total, 0);
});

Deno.test("x1: a partial checksum is completed", async () => {
  using bench = new Bench(true);
  const whole = udpPacket("an odd text");
  const partial = whole.slice();
  setPartialChecksum(partial);
  bench.receive(await bench.record(TYPE_PACKET, partial, FLAG_PARTIAL_CHECKSUM));
  deepEqual(await bench.delivered(), [whole]);
});

Deno.test("x1: a record is not taken for a session that ended while it was opened", async () => {
  using bench = new Bench(true);
  bench.receive(await bench.record(TYPE_PACKET, udpPacket("late")));
  bench.driver.closeSession(bench.entry.session.id, performance.now());
  deepEqual(await bench.delivered(), []);
  deepEqual(bench.drops.entries(), [["unknown session", 1]]);
});

Deno.test("x1: a session that waits for its peer is used once it can be answered", async () => {
  using bench = new Bench(true);
  bench.entry.isPending = true;
  bench.receive(await bench.record(TYPE_HANDSHAKE, new Uint8Array(0)));
  await bench.receiver.whenDone();
  equal(bench.entry.isPending, true, "the address has proved nothing yet");
  const { session } = bench.entry;
  const challenge = decodeTunnelMessage(bench.sent[0]! as Uint8Array<ArrayBuffer>)!;
  ok(challenge.type === "challenge");
  const response = encodeTunnelMessage({ type: "response", token: challenge.token });
  bench.receive(await bench.record(TYPE_CONTROL, response));
  await bench.receiver.whenDone();
  equal(bench.entry.isPending, false);
  equal(session.isReady, true);
});

Deno.test("v1: packets that overtook others wait for them, but not without end", async () => {
  using bench = new Bench(false);
  await bench.handshake();
  const texts = ["1", "2", "3", "4", "5"].map((text) => udpPacket(text));
  const records = [];
  for (const packet of texts) records.push(await bench.record(TYPE_PACKET, packet));
  for (const index of [0, 2, 1, 4]) bench.receive(records[index]!);
  deepEqual(await bench.delivered(), texts.slice(0, 3));
  bench.flush();
  deepEqual(await bench.delivered(), [...texts.slice(0, 3), texts[4]!]);
  bench.receive(records[3]!);
  await bench.receiver.whenDone();
  deepEqual(bench.drops.entries(), [["late", 1]]);
});

Deno.test("v1: sequence numbers spent on heartbeats make no gap", async () => {
  using bench = new Bench(false);
  await bench.handshake();
  const first = await bench.record(TYPE_PACKET, udpPacket("1"));
  const spent = (view: DataView) => view.setUint32(SEQUENCE_OFFSET, 2);
  const echo = await bench.record(TYPE_HANDSHAKE, new Uint8Array(0), 0, spent);
  const third = await bench.record(TYPE_PACKET, udpPacket("3"), 0, (view) => {
    view.setUint32(SEQUENCE_OFFSET, 3);
  });
  for (const record of [first, third, echo]) bench.receive(record);
  deepEqual(await bench.delivered(), [udpPacket("1"), udpPacket("3")]);
  equal(bench.drops.total, 0);
});
