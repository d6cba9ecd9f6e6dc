/**
 * A peer of the first protocol version, written from sections 1 to 3 of docs/protocol.md alone. It
 * shares no code with lib/, so that an error of ours cannot hide by being made on both sides. It is
 * strict: whatever it receives that the document does not allow is a violation, and a violation
 * fails the test.
 *
 *   record.ts       one datagram: seal, open
 *   inspector.ts    what a receiver may expect of a sender
 *   reorder_queue.ts, v1_session.ts   one session, on virtual time or real
 *   packet.ts, inner_host.ts, tun_end.ts   what is inside the tunnel
 *   control.ts, endpoint.ts, client.ts, server.ts, main.ts   the programs
 *   peer_process.ts, mixed_network.ts   how tests drive them: in namespaces, and on virtual time
 *
 * This file: a record, with node:crypto.
 *
 *   0         1      2            6            10         12                     22      34
 *   | version | type | session    | sequence   | length   | reserved, 10 bytes   | nonce | ... | tag
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { Buffer } from "node:buffer";

export const TYPE_PACKET = 1;
export const TYPE_HEARTBEAT = 2;
export const TYPE_HANDSHAKE = 3;

const HEADER_BYTES = 22;
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const RESERVED_AT = 12;
const CIPHER = "aes-256-gcm";

export interface V1Record {
  type: number;
  session: number;
  sequence: number;
  isGzip: boolean;
  payload: Uint8Array;
}

/** What of a datagram can be wrong before and after it is opened. */
export type Flaw =
  | "too short"
  | "version"
  | "type"
  | "session"
  | "length field"
  | "compression byte"
  | "reserved bytes"
  | "not authentic";

export interface Opened extends V1Record {
  /** In hex. */
  nonce: string;
}

export function sealRecord(key: Uint8Array, nonce: Uint8Array, record: V1Record): Uint8Array {
  const { payload } = record;
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint8(0, 1);
  view.setUint8(1, record.type);
  view.setUint32(2, record.session);
  view.setUint32(6, record.sequence);
  view.setUint16(10, NONCE_BYTES + payload.length + TAG_BYTES);
  view.setUint8(RESERVED_AT, record.isGzip ? 1 : 0);
  const cipher = createCipheriv(CIPHER, key, nonce);
  cipher.setAAD(header);
  const body = cipher.update(payload);
  cipher.final();
  return Uint8Array.from(Buffer.concat([header, nonce, body, cipher.getAuthTag()]));
}

/** Opens a datagram of the session, or says what is wrong with it. */
export function openRecord(
  key: Uint8Array,
  session: number,
  datagram: Uint8Array,
): Opened | Flaw {
  if (datagram.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES) return "too short";
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const type = view.getUint8(1);
  if (view.getUint8(0) !== 1) return "version";
  if (type < TYPE_PACKET || type > TYPE_HANDSHAKE) return "type";
  if (view.getUint32(2) !== session) return "session";
  if (view.getUint16(10) !== datagram.length - HEADER_BYTES) return "length field";
  const compression = view.getUint8(RESERVED_AT);
  if (compression > 1) return "compression byte";
  if (datagram.subarray(RESERVED_AT + 1, HEADER_BYTES).some((byte) => byte !== 0)) {
    return "reserved bytes";
  }
  const nonce = datagram.slice(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce);
  decipher.setAAD(datagram.slice(0, HEADER_BYTES));
  decipher.setAuthTag(datagram.slice(-TAG_BYTES));
  try {
    const payload = decipher.update(datagram.slice(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES));
    decipher.final();
    return {
      ...{ type, session, sequence: view.getUint32(6), isGzip: compression === 1 },
      ...{ payload: Uint8Array.from(payload), nonce: nonce.toHex() },
    };
  } catch {
    return "not authentic";
  }
}

/** The session id a datagram names, or null when it is too short to name one. */
export function sessionOf(datagram: Uint8Array): number | null {
  if (datagram.length < HEADER_BYTES) return null;
  return new DataView(datagram.buffer, datagram.byteOffset).getUint32(2);
}
