/**
 * Measures what compression costs, and what it saves, for packets of 1400 bytes.
 *
 *     deno run -A scripts/bench_compression.ts       two tables, in a few seconds
 *
 * `gain` is how many times more packets a link carries: it counts the header, the tag and UDP over
 * IPv4 around each. Times are those of the median packet, and of each packet the least of many, since
 * other load on the machine only makes them longer.
 */
import { US_PER_MS } from "../lib/protocol/wire/units.ts";
import { createHash, randomBytes } from "node:crypto";
import { CODEC_LIBRARIES, PacketCodec } from "../lib/ffi/libdeflate/packet_codec.ts";
import { DictionaryCodec, dictionaryCodecWorks } from "../lib/ffi/libzstd/dictionary_codec.ts";
import { Arena } from "../lib/ffi/memory/arena.ts";
import { ByteDiversity } from "../lib/protocol/compression/byte_diversity.ts";
import { packetDictionary } from "../lib/protocol/compression/dictionary.ts";
import { FlowCompression } from "../lib/protocol/compression/flow_compression.ts";
import { FlowKey, readFlowKey } from "../lib/protocol/packet/flow_key.ts";
import { tcpPacket } from "../lib/protocol/packet/test_packet.ts";
import { RECORD_OVERHEAD } from "../lib/protocol/wire/header.ts";

const PACKET_BYTES = 1400;
const TCP_OPTION_BYTES = 12;
const PAYLOAD_BYTES = PACKET_BYTES - 40 - TCP_OPTION_BYTES;
const PACKETS = 16;
const UDP_OVER_IPV4_BYTES = 28;
const PACKET = 0, GZIP = 4096, INFLATED = 8192;
const WARM_UP_ROUNDS = 100;
const ROUNDS = 15;
const REPEATS = 20;
const QUESTIONS = 100_000;

const SOURCES: Record<string, () => Uint8Array> = {
  "English": () => Deno.readFileSync(new URL("../docs/architecture.md", import.meta.url)),
  "source code": () => Deno.readFileSync(new URL("../lib/host/firewall/nft.ts", import.meta.url)),
  "log lines": () =>
    lines((at) => `Nov 22 18:${at % 60} host sshd[${at * 7919 % 9973}]: session ${at} opened`),
  "JSON": () =>
    lines((at) =>
      JSON.stringify({ id: at * 7919, name: `user ${at}`, tags: ["a", "b"], sum: at * 1.37 })
    ),
  "iperf3 pattern": () => lines(() => "0123456789".repeat(8)),
  "zeros": () => new Uint8Array(PAYLOAD_BYTES),
  "base64": () => new TextEncoder().encode(randomBytes(PACKETS * PAYLOAD_BYTES).toString("base64")),
  "program": () => Deno.readFileSync("/bin/sh").subarray(20_000),
  "random": () => randomBytes(PACKETS * PAYLOAD_BYTES),
};

function lines(line: (at: number) => string): Uint8Array {
  return new TextEncoder().encode(Array.from({ length: 800 }, (_, at) => line(at)).join("\n"));
}

/** Packets of one TCP flow whose payload is `source`, over and over. */
function packetsOf(source: Uint8Array): Uint8Array[] {
  return Array.from({ length: PACKETS }, (_, packet) => {
    const payload = new Uint8Array(PAYLOAD_BYTES)
      .map((_, at) => source[(packet * PAYLOAD_BYTES + at) % source.length]!);
    const options = createHash("sha256").update(`${packet}`).digest().subarray(0, TCP_OPTION_BYTES);
    return tcpPacket({ payload, options, sequence: packet * PAYLOAD_BYTES });
  });
}

/** The time of one call in us; `prepare` is not counted. */
function timeUs(
  packets: Uint8Array[],
  prepare: (packet: Uint8Array) => void,
  call: () => void,
): number {
  const times = new Float64Array(PACKETS).fill(Infinity);
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS * PACKETS; round++) {
    const index = (round + WARM_UP_ROUNDS) % PACKETS;
    prepare(packets[index]!);
    const start = performance.now();
    for (let repeat = 0; repeat < REPEATS; repeat++) call();
    const us = (performance.now() - start) * US_PER_MS / REPEATS;
    if (round >= 0) times[index] = Math.min(times[index]!, us);
  }
  return times.sort()[PACKETS >> 1]!;
}

function measureCodecs(arena: Arena): void {
  const { bytes } = arena;
  const diversity = new ByteDiversity();
  const rows: Record<string, Record<string, string>> = {};
  for (const [name, read] of Object.entries(SOURCES)) {
    const packets = packetsOf(read());
    const load = (packet: Uint8Array) => bytes.set(packet, PACKET);
    const row: Record<string, string> = rows[name] = {};
    row["check us"] = timeUs(packets, load, () => {
      diversity.looksCompressible(bytes, PACKET + 40, PACKET_BYTES - 40);
    }).toFixed(2);
    for (const [library, codec] of openCodecs(arena)) {
      const compress = () => codec.compress(PACKET, PACKET_BYTES, GZIP, PACKET_BYTES - 1);
      let sent = 0, gzipLength = 0;
      for (const packet of packets) {
        load(packet);
        sent += compress() || PACKET_BYTES;
      }
      const compressUs = timeUs(packets, load, compress);
      const inflateUs = timeUs(packets, (packet) => {
        load(packet);
        gzipLength = compress();
      }, () => codec.inflate(GZIP, gzipLength, INFLATED, PACKET_BYTES));
      const around = RECORD_OVERHEAD + UDP_OVER_IPV4_BYTES;
      const gain = (PACKET_BYTES + around) / (sent / PACKETS + around);
      row[`${library} us`] = `${compressUs.toFixed(1)} / ${
        gzipLength === 0 ? "-" : inflateUs.toFixed(1)
      }`;
      row[`gain ${library}`] = gain.toFixed(2);
      codec.free();
    }
  }
  console.table(rows);
}

/** All that this machine has. */
function openCodecs(arena: Arena): [string, PacketCodec | DictionaryCodec][] {
  const dictionary = packetDictionary();
  const codecs: [string, PacketCodec | DictionaryCodec][] = CODEC_LIBRARIES
    .map((library) => [library, PacketCodec.open(arena, [library])]);
  if (dictionaryCodecWorks(dictionary)) {
    codecs.unshift(["libzstd", new DictionaryCodec(arena, dictionary)]);
  }
  return codecs;
}

/** What a packet costs that is not tried: in a flow that backs off, or faster than the gate allows. */
function measurePolicy(): void {
  const rows: Record<string, { us: string }> = {};
  for (const [name, intervalMs] of [["random, 1000/s", 1], ["random, 100,000/s", 0.01]] as const) {
    let best = Infinity;
    for (let round = 0; round < ROUNDS; round++) best = Math.min(best, askedUs(intervalMs));
    rows[name] = { us: best.toFixed(3) };
  }
  console.table(rows);
}

/** The mean time of one question about a flow of random bytes, in us. */
function askedUs(intervalMs: number): number {
  const packet = packetsOf(randomBytes(PAYLOAD_BYTES))[0]!;
  const flow = new FlowKey();
  readFlowKey(new DataView(packet.buffer), 0, PACKET_BYTES, flow);
  const compression = new FlowCompression();
  const start = performance.now();
  for (let asked = 0, now = 0; asked < QUESTIONS; asked++, now += intervalMs) {
    if (compression.capacityFor("auto", flow, packet, 0, PACKET_BYTES, now) > 0) {
      compression.noteTry(false, 0);
    }
  }
  return (performance.now() - start) * US_PER_MS / QUESTIONS;
}

if (import.meta.main) {
  measureCodecs(new Arena(16_384));
  measurePolicy();
}
