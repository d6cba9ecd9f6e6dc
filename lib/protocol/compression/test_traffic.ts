/** For tests: packets of flows, alike in size and different in what deflate makes of them. */
import { createCipheriv } from "node:crypto";
import { FlowKey, readFlowKey } from "../packet/flow_key.ts";
import { tcpPacket } from "../packet/test_packet.ts";

const WORDS =
  "the link of a path carries what is left when one more packet waits for its turn and no other flow has it "
    .split(" ");

/** The same bytes for the same seed, and no pattern in them: a keystream. */
export function encryptedBytes(length: number, seed: number): Uint8Array {
  const nonce = new Uint8Array(16);
  new DataView(nonce.buffer).setUint32(0, seed);
  const cipher = createCipheriv("aes-256-ctr", new Uint8Array(32), nonce);
  return new Uint8Array(cipher.update(new Uint8Array(length)));
}

/** Words in an order without a pattern. */
export function textBytes(length: number, seed: number): Uint8Array {
  const order = encryptedBytes(Math.ceil(length / 2), seed);
  const text = Array.from(order, (byte) => WORDS[byte % WORDS.length]).join(" ");
  return new TextEncoder().encode(text).slice(0, length);
}

/** The key of a flow; different ports, different flow. */
export function flowOf(sourcePort: number, version: 4 | 6 = 4): FlowKey {
  const packet = tcpPacket({ version, sourcePort });
  const flow = new FlowKey();
  readFlowKey(new DataView(packet.buffer), 0, packet.length, flow);
  return flow;
}
