/**
 * How a client asks, from one socket, as which address and port the server sees it at its second UDP
 * port: compared with what it is seen as at the data port, that tells how a NAT on the way maps
 * (RFC 4787, 4.1). Query and answer are equally long, so nothing is amplified, and both are
 * authenticated by the key of a ticket that the control exchange has given.
 *
 *     query   | magic (4) | ticket: expiry u32, random (12) | nonce (16) | 0 (4)              | mac (16) |
 *     answer  | magic (4) | nonce (16) | address (16), IPv4 mapped       | port u16 | 0 (2) | mac (16) |
 *
 * The mac is the first half of HMAC-SHA256 over what stands before it. The server keeps nothing for a
 * ticket: its key is the HMAC of the ticket under a secret of the server's process.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

/** In the control exchange: the client wants a ticket. */
export const FEATURE_MAPPING = "nat-1";
export const MAPPING_MESSAGE_LENGTH = 56;
export const MAPPING_TICKET_LENGTH = 16;
export const MAPPING_KEY_LENGTH = 32;
export const MAPPING_NONCE_LENGTH = 16;
const MAC_LENGTH = 16;
const SIGNED_LENGTH = MAPPING_MESSAGE_LENGTH - MAC_LENGTH;
const QUERY_MAGIC = 0x46584d51;
const ANSWER_MAGIC = 0x46584d41;
const QUERY_TICKET = 4;
const QUERY_NONCE = 20;
const ANSWER_NONCE = 4;
const ANSWER_ADDRESS = 20;
const ANSWER_PORT = 36;

/** An address as four signed words, IPv4 mapped to IPv6, and a port. */
interface MappedAddress {
  a0: number;
  a1: number;
  a2: number;
  a3: number;
  port: number;
}

/** What a client needs to ask. */
export interface MappingTicket {
  /** The UDP port to ask at, besides the data port. */
  readonly port: number;
  /** MAPPING_TICKET_LENGTH bytes. */
  readonly ticket: Uint8Array;
  /** MAPPING_KEY_LENGTH bytes. */
  readonly key: Uint8Array;
}

/** A ticket that is good until `expiryMs` (since 1970); `random` fills what is left of it. */
export function newMappingTicket(
  expiryMs: number,
  random: (into: Uint8Array<ArrayBuffer>) => void,
): Uint8Array<ArrayBuffer> {
  const ticket = new Uint8Array(MAPPING_TICKET_LENGTH);
  random(ticket);
  new DataView(ticket.buffer).setUint32(0, Math.floor(expiryMs / 1000));
  return ticket;
}

/** The key of a ticket, for the server that has `secret`. */
export function mappingKey(secret: Uint8Array, ticket: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHmac("sha256", secret).update(ticket).digest());
}

/** @param nonce 16 random bytes, which the answer repeats. */
export function encodeMappingQuery(
  { ticket, key }: Pick<MappingTicket, "ticket" | "key">,
  nonce: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const query = new Uint8Array(MAPPING_MESSAGE_LENGTH);
  new DataView(query.buffer).setUint32(0, QUERY_MAGIC);
  query.set(ticket, QUERY_TICKET);
  query.set(nonce, QUERY_NONCE);
  query.set(mac(query, key), SIGNED_LENGTH);
  return query;
}

/**
 * The answer to a datagram that came from `peer`; null for one that deserves none: of another form,
 * with a ticket that is over, or not authentic.
 */
export function answerMappingQuery(
  datagram: Uint8Array,
  peer: Readonly<MappedAddress>,
  secret: Uint8Array,
  nowMs: number,
): Uint8Array<ArrayBuffer> | null {
  if (datagram.length !== MAPPING_MESSAGE_LENGTH) return null;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  // The cheap refusals come first: most that reaches an open port is none of ours.
  if (view.getUint32(0) !== QUERY_MAGIC) return null;
  if (view.getUint32(QUERY_TICKET) * 1000 < nowMs) return null;
  const ticket = datagram.subarray(QUERY_TICKET, QUERY_TICKET + MAPPING_TICKET_LENGTH);
  const key = mappingKey(secret, ticket);
  if (!isAuthentic(datagram, key)) return null;
  const answer = new Uint8Array(MAPPING_MESSAGE_LENGTH);
  const out = new DataView(answer.buffer);
  out.setUint32(0, ANSWER_MAGIC);
  answer.set(datagram.subarray(QUERY_NONCE, QUERY_NONCE + MAPPING_NONCE_LENGTH), ANSWER_NONCE);
  for (const [index, word] of [peer.a0, peer.a1, peer.a2, peer.a3].entries()) {
    out.setInt32(ANSWER_ADDRESS + index * 4, word);
  }
  out.setUint16(ANSWER_PORT, peer.port);
  answer.set(mac(answer, key), SIGNED_LENGTH);
  return answer;
}

/**
 * Reads into `seen` from where the query with `nonce` came to the server. False: this is no answer to
 * it, and `seen` is as it was.
 */
export function decodeMappingAnswer(
  datagram: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  seen: MappedAddress,
): boolean {
  if (datagram.length !== MAPPING_MESSAGE_LENGTH) return false;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  if (view.getUint32(0) !== ANSWER_MAGIC || !isAuthentic(datagram, key)) return false;
  const answered = datagram.subarray(ANSWER_NONCE, ANSWER_NONCE + MAPPING_NONCE_LENGTH);
  if (!timingSafeEqual(answered, nonce)) return false;
  seen.a0 = view.getInt32(ANSWER_ADDRESS);
  seen.a1 = view.getInt32(ANSWER_ADDRESS + 4);
  seen.a2 = view.getInt32(ANSWER_ADDRESS + 8);
  seen.a3 = view.getInt32(ANSWER_ADDRESS + 12);
  seen.port = view.getUint16(ANSWER_PORT);
  return true;
}

function isAuthentic(datagram: Uint8Array, key: Uint8Array): boolean {
  return timingSafeEqual(mac(datagram, key), datagram.subarray(SIGNED_LENGTH));
}

function mac(message: Uint8Array, key: Uint8Array): Uint8Array {
  const digest = createHmac("sha256", key).update(message.subarray(0, SIGNED_LENGTH)).digest();
  return digest.subarray(0, MAC_LENGTH);
}
