/** `failover`: sends everything on the best path; the others stand by. */
import type { FlowKey } from "../packet/flow_key.ts";
import type { SessionPath } from "../path/session_path.ts";
import { ImmediateScheduler } from "./immediate_scheduler.ts";
import { failOver, type WeighedPath } from "./weights.ts";

export class FailoverScheduler extends ImmediateScheduler {
  readonly name = "failover";
  #active: SessionPath | null = null;

  pathsChanged(paths: readonly SessionPath[], weighed: readonly WeighedPath[]): void {
    const present = paths.findIndex(({ carriesFlows }) => carriesFlows);
    const weights = failOver(weighed, present);
    this.#active = null;
    for (const [index, path] of paths.entries()) {
      path.carriesFlows = weights[index]! > 0;
      if (path.carriesFlows) this.#active = path;
    }
  }

  pathRemoved(path: SessionPath): void {
    if (this.#active === path) this.#active = null;
  }

  begin(_flow: FlowKey, bytes: number): boolean {
    return this.#active === null ? this.leaveOnLastHeard(bytes) : this.leaveOn(this.#active);
  }
}
