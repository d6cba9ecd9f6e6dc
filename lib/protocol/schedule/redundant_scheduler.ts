/**
 * `redundant`: sends each packet on every working path; the first copy counts. TCP packets are ordered
 * by the receiver, since a copy that fills a gap overtakes others, and TCP takes reordering for loss.
 */
import type { FlowKey } from "../packet/flow_key.ts";
import { PROTOCOL_TCP } from "../packet/ip.ts";
import type { SessionPath } from "../path/session_path.ts";
import { FLAG_COPY, FLAG_ORDERED } from "../wire/header.ts";
import { ImmediateScheduler } from "./immediate_scheduler.ts";
import { orderedStream, STREAM_COPIES } from "./ordered_stream.ts";
import { shareOut, type WeighedPath } from "./weights.ts";

export class RedundantScheduler extends ImmediateScheduler {
  readonly name = "redundant";
  override readonly usesEveryPath = true;
  #live: readonly SessionPath[] = [];

  pathsChanged(paths: readonly SessionPath[], weighed: readonly WeighedPath[]): void {
    const weights = shareOut(weighed);
    for (const [index, path] of paths.entries()) path.carriesFlows = weights[index]! > 0;
    this.#live = paths.filter(({ mayCarry }) => mayCarry);
  }

  pathRemoved(path: SessionPath): void {
    this.#live = this.#live.filter((each) => each !== path);
  }

  begin(flow: FlowKey, bytes: number): boolean {
    if (this.#live.length === 0) return this.leaveOnLastHeard(bytes);
    const { departure } = this;
    const isOrdered = flow.protocol === PROTOCOL_TCP;
    departure.paths = this.#live;
    departure.flags = isOrdered ? FLAG_COPY | FLAG_ORDERED : FLAG_COPY;
    departure.stream = isOrdered ? orderedStream(flow) : STREAM_COPIES;
    return true;
  }
}
