/** Memory for datagrams: each is used by one datagram at a time, from its arrival to its delivery. */

/** The longest UDP payload, and a little more. */
const DATAGRAM_BYTES_MAX = 65_536;

export class DatagramBuffer {
  readonly bytes = new Uint8Array(DATAGRAM_BYTES_MAX);
  readonly view = new DataView(this.bytes.buffer);
}

/** Keeps as many buffers as were ever in use at a time, which is for its users to bound. */
export class DatagramPool {
  readonly #free: DatagramBuffer[] = [];

  take(): DatagramBuffer {
    return this.#free.pop() ?? new DatagramBuffer();
  }

  give(buffer: DatagramBuffer): void {
    this.#free.push(buffer);
  }
}
