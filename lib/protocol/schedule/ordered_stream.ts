/** The streams in which packets keep their order. Flows share them, so few wait for each other. */
import type { FlowKey } from "../packet/flow_key.ts";

/** Streams 1 to this many; a power of two. */
const ORDERED_STREAMS = 16;
/** Numbers copies that are delivered at once. */
export const STREAM_COPIES = ORDERED_STREAMS + 1;

/** Hot. The stream of a flow. */
export function orderedStream({ hashA }: FlowKey): number {
  return 1 + (hashA & (ORDERED_STREAMS - 1));
}
