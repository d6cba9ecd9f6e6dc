/** Gathers records of one length, which then leave as datagrams in one send (UDP_SEGMENT). */
import type { FrameBuffer } from "./frame_buffer.ts";
import type { RelaySocket } from "./message.ts";
import type { RelayMemory } from "./relay_memory.ts";

/** UDP_MAX_SEGMENTS of every kernel that has UDP_SEGMENT. */
const RUN_RECORDS_MAX = 64;
/** Below the longest UDP payload. */
const RUN_BYTES_MAX = 65_400;

export class DatagramRuns {
  readonly #memory: RelayMemory;
  /** Where the run is in the buffer. */
  #start = 0;
  #end = 0;
  #segment = 0;
  #records = 0;

  constructor(memory: RelayMemory) {
    this.#memory = memory;
  }

  /**
   * Hot. Sends all records that have come. Returns how many were refused by the kernel, or -1 when the
   * stream is broken.
   */
  forward(frames: FrameBuffer, socket: RelaySocket): number {
    let refused = 0;
    let length = frames.next();
    for (; length > 0; length = frames.next()) {
      const { recordAt } = frames;
      const isContinued = this.#records > 0 && socket.gso && length <= this.#segment &&
        this.#records < RUN_RECORDS_MAX && this.#end - this.#start + length <= RUN_BYTES_MAX;
      if (!isContinued) {
        refused += this.#flush(frames, socket);
        this.#start = this.#end = recordAt;
        this.#segment = length;
      }
      // What was between them is left out.
      if (this.#end !== recordAt) {
        frames.bytes.copyWithin(this.#end, recordAt, recordAt + length);
      }
      this.#end += length;
      this.#records++;
      // A shorter one ends it: the kernel cuts all pieces but the last to one length.
      if (length < this.#segment) refused += this.#flush(frames, socket);
    }
    refused += this.#flush(frames, socket);
    return length < 0 ? -1 : refused;
  }

  /** Hot. */
  #flush(frames: FrameBuffer, { fd }: RelaySocket): number {
    const records = this.#records;
    if (records === 0) return 0;
    this.#records = 0;
    const length = this.#end - this.#start;
    return this.#memory.send(fd, frames.origin + this.#start, length, this.#segment) < 0
      ? records
      : 0;
  }
}
