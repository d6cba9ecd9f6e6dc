/** Compresses the packets of the session under way, where that pays. */
import type { CompressionMode } from "../../protocol/compression/compression_mode.ts";
import { FlowCompression } from "../../protocol/compression/flow_compression.ts";
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import { COMPRESSION_NONE } from "../../protocol/wire/header.ts";
import type { EngineSession } from "../engine.ts";
import type { PacketCodecs } from "./ends.ts";
import type { PacketMemory } from "./memory.ts";

export class Compressor {
  readonly #codecs: PacketCodecs;
  readonly #flows = new FlowCompression();
  #mode: CompressionMode = "off";
  /** COMPRESSION_ value of what `compress` makes. */
  kind = COMPRESSION_NONE;

  constructor(codecs: PacketCodecs) {
    this.#codecs = codecs;
  }

  /** Hot. What is compressed next is of that session. */
  use(session: EngineSession): void {
    this.#mode = session.tuning.compression;
    this.kind = this.#codecs.kindFor(session);
  }

  /** Hot. Compresses to `made.compressed`. Returns the length, or 0 to send the packet as it is. */
  compress(
    flow: FlowKey,
    memory: PacketMemory,
    packet: number,
    length: number,
    now: number,
  ): number {
    const { bytes } = memory;
    const capacity = this.#flows.capacityFor(this.#mode, flow, bytes, packet, length, now);
    if (capacity === 0) return 0;
    const compressed = this.#codecs.compress(this.kind, memory, packet, length, capacity);
    this.#flows.noteTry(compressed > 0, this.#codecs.compressionMs);
    return compressed;
  }
}
