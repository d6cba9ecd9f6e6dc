/** Sealed datagrams of a client's, and what the engine makes of them for the TUN device. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { Libcrypto, type Opener, type Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import { openIpv4ServerSocket, openServerSocket } from "../../ffi/linux/socket.ts";
import { VNET_HEADER_LENGTH } from "../../ffi/linux/tun.ts";
import { Arena } from "../../ffi/memory/arena.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { ipv6Words } from "../../protocol/packet/inner_address.ts";
import { IPV4_HEADER_LENGTH, PROTOCOL_UDP, UDP_HEADER_LENGTH } from "../../protocol/packet/ip.ts";
import { ipPacket } from "../../protocol/packet/test_packet.ts";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { Session } from "../../protocol/session/session.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import {
  COMPRESSION_GZIP,
  COMPRESSION_NONE,
  COMPRESSION_ZSTD,
  FLAG_ORDERED,
  FLAG_PARTIAL_CHECKSUM,
  HEADER_LENGTH,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
} from "../../protocol/wire/header.ts";
import { Codecs } from "./codecs.ts";
import { Driver } from "../driver/driver.ts";
import { MemoryLayout } from "./memory_layout.ts";
import { Loopback } from "../../../testing/loopback.ts";
import { SocketTable } from "./sockets.ts";
import { TunWriter } from "./tun_writer.ts";
import { UdpReceiver } from "./udp_receiver.ts";
import { UdpSender } from "./udp_sender.ts";

const RECORD_BYTES_MAX = 10_000;
const REORDER_BUFFER_SIZE = 8;
const STREAM = 1;

/** A UDP packet of the client's, filled with `number`. */
function packet(number: number, bytes = 600): Uint8Array<ArrayBuffer> {
  const length = bytes - IPV4_HEADER_LENGTH;
  const payload = new Uint8Array(length).fill(number);
  payload.set([0, 53, 0, 54, length >>> 8, length & 0xff, 0, 0]);
  return ipPacket({ protocol: PROTOCOL_UDP, payload });
}

const gzip = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));

/** A server's inbound side with a socket for a TUN device, and the client that sends to it. */
class Bench implements Disposable {
  readonly drops = new DropCounters();
  readonly #wire: Loopback;
  readonly #tun = new Loopback();
  readonly #libcrypto = Libcrypto.open();
  readonly #layout = new MemoryLayout();
  readonly #codecs: Codecs;
  readonly #receiver: UdpReceiver;
  readonly #driver: Driver<Sealer, Opener>;
  readonly #client: Session<Sealer, Opener>;
  readonly #clientFd: number;
  readonly #record = new Arena(2 * RECORD_BYTES_MAX);

  /**
   * @param server the address the client calls the server by.
   * @param offloads whether the TUN device takes super-packets.
   */
  constructor(open = openServerSocket, server = "127.0.0.1", offloads = false) {
    this.#wire = new Loopback(open);
    this.#clientFd = this.#wire.connect(server).fd;
    const session = {
      id: 0x89abcdef,
      wire: x1Wire(),
      suite: this.#libcrypto,
      random: (into: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(into),
      now: 0,
    };
    const key = () => new Uint8Array(32).fill(3);
    this.#client = new Session({ ...session, key: key(), role: "client" });
    this.#client.addPath({ id: 0, name: "fiber", socket: 0, peer: null }, 0);
    const sockets = new SocketTable(false, this.#wire.socket.isV6);
    sockets.add(this.#wire.socket);
    const { fd } = this.#tun.connect();
    const tun = { fd, name: "tun", vnetHeader: offloads, udpSegments: offloads };
    const { libc } = this.#wire;
    const { drops } = this;
    const { arena, made } = this.#layout;
    this.#codecs = new Codecs(arena, made.compressed, made.inflated);
    this.#driver = new Driver({
      ...{
        suite: this.#libcrypto,
        random: session.random,
        flowSeed: 1,
        unixOffsetMs: 0,
        drops,
        made,
      },
      packets: new TunWriter(libc, tun, this.#layout, drops),
      records: new UdpSender(libc, sockets, arena, drops, () => this.#driver),
      codecs: this.#codecs,
      emit: () => {},
    }, arena);
    this.#driver.openSession({
      ...{ id: session.id, x1: true, key: key(), role: "server", name: "test", mtu: 1400 },
      ipv4: "10.8.0.2",
      ipv6: "fd00:8::2",
      reorderBufferSize: REORDER_BUFFER_SIZE,
      reorderFlushTimeoutMs: 1000,
      tuning: DEFAULT_TUNING,
    }, 0);
    this.#receiver = new UdpReceiver(libc, this.#layout, sockets, this.#driver.inbound);
  }

  /** Sends a packet that is to be delivered as the `sequence`-th of its stream. */
  send(sequence: number, payload: Uint8Array, compression = COMPRESSION_NONE): void {
    this.put(sequence, payload, compression);
    this.receive();
  }

  receive(): void {
    this.#receiver.run(0, 0);
  }

  /** Sends a packet, which waits in the server's socket. */
  put(sequence: number, payload: Uint8Array, compression = COMPRESSION_NONE, flags = 0): void {
    const { bytes, view } = this.#record;
    const at = (offset: number) => this.#record.address(offset);
    bytes.set(payload);
    const { length } = payload;
    const record = RECORD_BYTES_MAX;
    const outgoing = Object.assign(new OutgoingRecord(), {
      ...{ compression, sequence, stream: STREAM, flags: FLAG_ORDERED | flags },
    });
    const sealer = this.#client.writeRecord(
      ...[view, record, this.#client.paths.byId(0)!, length, outgoing] as const,
    );
    const body = record + PAYLOAD_OFFSET;
    const nonce = at(record + HEADER_LENGTH);
    ok(sealer.seal(
      ...[
        nonce,
        at(record),
        HEADER_LENGTH,
        at(0),
        length,
        at(body),
        at(body + length),
      ] as const,
    ));
    const sent = length + RECORD_OVERHEAD;
    equal(this.#wire.libc.write(this.#clientFd, at(record), BigInt(sent)), sent);
  }

  get #entry() {
    return [...this.#driver.sessions][0]!;
  }

  /** The server's address, by which the client has called it, as its session has it. */
  get local(): number[] {
    const { local0, local1, local2, local3 } = [...this.#entry.session.paths][0]!.peer;
    return [local0, local1, local2, local3];
  }

  /** Gives up all gaps. */
  flush(): void {
    this.#driver.tick(2000);
  }

  /** How long what the TUN device has been given is. */
  get writtenBytes(): number[] {
    return this.#tun.arrivals().map(({ bytes }) => bytes.length);
  }

  /** What the TUN device has been given since this was asked last: the number of each packet. */
  delivered(): number[] {
    return this.#tun.arrivals().map(({ bytes }) => {
      const number = bytes.at(-1)!;
      equal(bytes.toHex(), packet(number, bytes.length).toHex());
      return number;
    });
  }

  [Symbol.dispose](): void {
    this.#client.free();
    this.#driver.close(0);
    this.#codecs.free();
    this.#wire[Symbol.dispose]();
    this.#tun[Symbol.dispose]();
  }
}

Deno.test("packets that overtook others wait for them, compressed ones too", () => {
  using bench = new Bench();
  bench.send(2, gzip(packet(2)), COMPRESSION_GZIP);
  bench.send(4, packet(4));
  bench.send(3, packet(3));
  deepEqual(bench.delivered(), []);
  bench.send(1, gzip(packet(1)), COMPRESSION_GZIP);
  deepEqual(bench.delivered(), [1, 2, 3, 4]);
  equal(bench.drops.total, 0);
});

Deno.test("a compressed packet is not lost when those that wait make room for it", () => {
  using bench = new Bench();
  bench.send(2, packet(2));
  bench.send(20, gzip(packet(20)), COMPRESSION_GZIP);
  deepEqual(bench.delivered(), [2, 20]);
  bench.send(22, packet(22));
  bench.send(21 + REORDER_BUFFER_SIZE, gzip(packet(29)), COMPRESSION_GZIP);
  deepEqual(bench.delivered(), [22]);
  bench.flush();
  deepEqual(bench.delivered(), [29]);
  equal(bench.drops.total, 0);
});

Deno.test("packets of a tunnel with a large MTU wait for their turn as others do", () => {
  using bench = new Bench();
  for (const number of [2, 3, 1]) bench.send(number, packet(number, 9000));
  deepEqual(bench.delivered(), [1, 2, 3]);
  equal(bench.drops.total, 0);
});

Deno.test("packets that come one by one are written together", () => {
  using bench = new Bench(openServerSocket, "127.0.0.1", true);
  for (const number of [1, 2, 3]) {
    bench.put(number, packet(number), COMPRESSION_NONE, FLAG_PARTIAL_CHECKSUM);
  }
  bench.receive();
  const headers = IPV4_HEADER_LENGTH + UDP_HEADER_LENGTH;
  deepEqual(bench.writtenBytes, [VNET_HEADER_LENGTH + headers + 3 * (600 - headers)]);
  equal(bench.drops.total, 0);
});

Deno.test("more than there is memory for at a time is written in turns, and nothing over it", () => {
  using bench = new Bench();
  const numbers = Array.from({ length: 12 }, (_, index) => index + 1);
  for (const number of numbers) bench.put(number, packet(number, 9000));
  bench.receive();
  deepEqual(bench.delivered(), numbers);
  equal(bench.drops.total, 0);
});

Deno.test("zstd that was not agreed on is dropped and counted, as broken gzip is", () => {
  using bench = new Bench();
  bench.send(1, packet(1), COMPRESSION_ZSTD);
  bench.send(1, packet(1), COMPRESSION_GZIP);
  bench.send(1, packet(1));
  deepEqual(bench.delivered(), [1]);
  deepEqual(bench.drops.entries(), [["bad gzip", 1], ["bad zstd", 1]]);
});

for (const open of [openServerSocket, openIpv4ServerSocket]) {
  Deno.test(`the address a client has called is kept: ${open.name}`, () => {
    using bench = new Bench(open, "127.0.0.3");
    bench.send(1, packet(1));
    deepEqual(bench.delivered(), [1]);
    deepEqual(bench.local, ipv6Words("::ffff:127.0.0.3"));
  });
}
