/** The compression of the portable engine: gzip alone, by the runtime. */
import { COMPRESSIBLE_BYTES_MAX } from "../../protocol/compression/flow_compression.ts";
import { gunzipPacket, gzipPacket } from "../../protocol/compression/packet_gzip.ts";
import { COMPRESSION_GZIP } from "../../protocol/wire/header.ts";
import type { MadeMemory, PacketCodecs } from "../driver/ends.ts";
import type { PacketMemory } from "../driver/memory.ts";
import { newMemory } from "../driver/packet_cells.ts";
import type { EngineSession } from "../engine.ts";

/** As long as a packet of the tunnel may be, whatever its MTU. */
const MADE_BYTES = 9216;

export function makeMemory(): MadeMemory {
  const memory = newMemory(2 * MADE_BYTES);
  return { memory, compressed: 0, inflated: MADE_BYTES, inflatedBytes: MADE_BYTES };
}

export class GzipCodecs implements PacketCodecs {
  compressionMs = 0;
  readonly #made: MadeMemory;

  constructor(made: MadeMemory) {
    this.#made = made;
  }

  kindFor(): number {
    return COMPRESSION_GZIP;
  }

  compress(
    _kind: number,
    { bytes }: PacketMemory,
    packet: number,
    length: number,
    capacity: number,
  ): number {
    const startMs = performance.now();
    const gzip = gzipPacket(bytes.subarray(packet, packet + length), capacity);
    this.compressionMs = performance.now() - startMs;
    if (gzip === null) return 0;
    this.#made.memory.bytes.set(gzip, this.#made.compressed);
    return gzip.length;
  }

  inflate(
    _session: EngineSession,
    kind: number,
    { bytes }: PacketMemory,
    payload: number,
    length: number,
  ): number {
    if (kind !== COMPRESSION_GZIP) return -1;
    const sent = bytes.subarray(payload, payload + length);
    const packet = gunzipPacket(sent, COMPRESSIBLE_BYTES_MAX);
    if (packet === null) return -1;
    this.#made.memory.bytes.set(packet, this.#made.inflated);
    return packet.length;
  }
}
