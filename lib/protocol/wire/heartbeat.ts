import { NS_PER_MS } from "./units.ts";

/** The payload of a heartbeat: the sender's clock in nanoseconds, u64, echoed unchanged. */
export const HEARTBEAT_LENGTH = 8;

/** What the heartbeat of `now` bears: the same in milliseconds, to the nanosecond. */
export function heartbeatClock(now: number): number {
  return Math.round(now * NS_PER_MS) / NS_PER_MS;
}

/** @param now in milliseconds, on the sender's own clock. */
export function encodeHeartbeat(now: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(HEARTBEAT_LENGTH);
  new DataView(payload.buffer).setBigUint64(0, BigInt(Math.round(now * NS_PER_MS)));
  return payload;
}

/** The clock a heartbeat carries, in milliseconds, or null when it has another length. */
export function decodeHeartbeat(payload: Uint8Array): number | null {
  if (payload.length !== HEARTBEAT_LENGTH) return null;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return Number(view.getBigUint64(0)) / NS_PER_MS;
}
