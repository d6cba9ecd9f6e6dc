/** `stripe`: each packet for itself, over all good paths, put in order again by the receiver. */
import type { FlowKey } from "../packet/flow_key.ts";
import type { SessionPath } from "../path/session_path.ts";
import { FLAG_ORDERED } from "../wire/header.ts";
import { ImmediateScheduler } from "./immediate_scheduler.ts";
import { orderedStream } from "./ordered_stream.ts";
import type { Departure } from "./scheduler.ts";
import { WeightedChoice } from "./weighted_choice.ts";
import { shareOut, type WeighedPath } from "./weights.ts";

export class StripeScheduler extends ImmediateScheduler {
  readonly name = "stripe";
  readonly #choice = new WeightedChoice();
  #stream = 0;
  #isStriped = false;

  pathsChanged(paths: readonly SessionPath[], weighed: readonly WeighedPath[]): void {
    const weights = shareOut(weighed);
    for (const [index, path] of paths.entries()) {
      this.#choice.setWeight(path.id, weights[index]!);
      path.carriesFlows = weights[index]! > 0;
    }
  }

  pathRemoved({ id }: SessionPath): void {
    this.#choice.setWeight(id, 0);
  }

  begin(flow: FlowKey, bytes: number): boolean {
    this.#isStriped = this.#choice.hasAny;
    this.#stream = orderedStream(flow);
    return this.#isStriped || this.leaveOnLastHeard(bytes);
  }

  override offer(slot: number, bytes: number): Departure {
    const { departure } = this;
    departure.slot = slot;
    if (!this.#isStriped) return departure;
    const chosen = this.#choice.pick(bytes);
    if (chosen < 0) this.leaveOnLastHeard(bytes);
    else this.leaveOn(this.paths.byId(chosen));
    departure.flags = FLAG_ORDERED;
    departure.stream = this.#stream;
    return departure;
  }
}
