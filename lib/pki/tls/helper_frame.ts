/**
 * What a program and its TLS process tell each other, in both directions over the process's standard
 * input and output:
 *
 *     0           4           8      9
 *     | length    | id        | kind | payload ...      integers little-endian, length of the payload
 *
 * `id` names the connection; 0 is none. The first frame to the process is SETTINGS.
 */
const HEADER_BYTES = 9;
const PAYLOAD_BYTES_MAX = 256 * 1024;

export const FRAME = {
  /** To the process: HelperSettings as JSON. */
  settings: 0,
  /** To the process: a connection begins. The payload is the server's name, for a client. */
  open: 1,
  /** Both ways: bytes of TLS, as they are on the wire. */
  wire: 2,
  /** Both ways: no more of them. */
  wireEnd: 3,
  /** From the process: the handshake is done. The payload is the peer's certificate in DER. */
  secure: 4,
  /** Both ways: bytes inside. */
  plain: 5,
  /** Both ways: no more of them. */
  plainEnd: 6,
  /** From the process: it is over, by an error. The payload says why. */
  failed: 7,
  /** Both ways: it is over. */
  close: 8,
} as const;

interface Frame {
  readonly id: number;
  readonly kind: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

export interface HelperSettings {
  readonly role: "server" | "client";
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

export function encodeFrame(
  id: number,
  kind: number,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, id, true);
  view.setUint8(8, kind);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Cuts a stream into frames. */
export class FrameReader {
  #rest = new Uint8Array();

  /** The frames that are complete now. @throws RangeError for what is none. */
  read(chunk: Uint8Array): Frame[] {
    let bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    const frames: Frame[] = [];
    while (bytes.length >= HEADER_BYTES) {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const length = view.getUint32(0, true);
      if (length > PAYLOAD_BYTES_MAX) throw new RangeError(`A frame of ${length} bytes`);
      const end = HEADER_BYTES + length;
      if (bytes.length < end) break;
      const payload = bytes.slice(HEADER_BYTES, end);
      frames.push({ id: view.getUint32(4, true), kind: view.getUint8(8), payload });
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes.slice();
    return frames;
  }
}
