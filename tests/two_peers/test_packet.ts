/** The packets of the tests: TCP as a rule, each of a flow and with a number in it. */
import type { Role } from "../../lib/protocol/session/session.ts";

/** What a packet of the tests carries. */
export interface TestPacket {
  readonly flow: number;
  readonly number: number;
}

const CLIENT = [10, 8, 0, 2];
const SERVER = [10, 8, 0, 1];
const ADDRESSES = 12;
const SOURCE_PORT = 20;
const SEQUENCE = 24;
/** IPv4 and TCP headers. */
export const HEADERS_BYTES = 40;

const PORT_DNS = 53;

/**
 * A packet that `from` sends the other side, of HEADERS_BYTES or more; it has no checksums. That of
 * flow 53 is UDP to the port of DNS.
 */
export function writePacket(
  { flow, number }: TestPacket,
  from: Role,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const protocol = (flow & 0xffff) === PORT_DNS ? 17 : 6;
  bytes.set([0x45, 0, length >>> 8, length & 0xff, 0, 0, 0x40, 0, 64, protocol]);
  bytes.set(from === "client" ? [...CLIENT, ...SERVER] : [...SERVER, ...CLIENT], ADDRESSES);
  view.setUint32(SOURCE_PORT, flow);
  view.setUint32(SEQUENCE, number);
  bytes[32] = 0x50;
  return bytes;
}

export function readPacket(view: DataView, offset: number): TestPacket {
  return { flow: view.getUint32(offset + SOURCE_PORT), number: view.getUint32(offset + SEQUENCE) };
}
