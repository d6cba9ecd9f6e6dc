/**
 * `flow`: each flow keeps to one good path, so its packets need no reordering. New flows are pinned,
 * placed once more when they have grown, and moved when their path no longer works or turned bad.
 * They go home when it is good again: else, after each fault, long flows would crowd on what is left.
 */
import type { FlowKey } from "../packet/flow_key.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import { FlowChoice } from "./flow_choice.ts";
import { type FlowTable, SENT, SENT_GROWN } from "./flow_table.ts";
import { ImmediateScheduler } from "./immediate_scheduler.ts";
import { shareOut, type WeighedPath } from "./weights.ts";

/** Bytes a second of a session: below, no path has a load worth counting. */
const BUSY_RATE = 50_000;

export class FlowScheduler extends ImmediateScheduler {
  readonly name = "flow";
  /** Chooses the path of a new flow. */
  readonly #choice = new FlowChoice();
  readonly #flows: FlowTable;

  /** @param flows may be shared with other sessions. */
  constructor(paths: PathTable, flows: FlowTable) {
    super(paths);
    this.#flows = flows;
  }

  pathsChanged(paths: readonly SessionPath[], weighed: readonly WeighedPath[]): void {
    const weights = shareOut(weighed);
    const load = paths.reduce((sum, { quality }) => sum + quality.sentRate, 0);
    for (const [index, path] of paths.entries()) {
      const weight = weights[index]!;
      const busy = load < BUSY_RATE ? 0 : paths.length * path.quality.sentRate / load;
      this.#choice.set(path.id, weight, busy);
      path.carriesFlows = weight > 0;
    }
  }

  pathRemoved({ id }: SessionPath): void {
    this.#choice.set(id, 0, 0);
  }

  begin(flow: FlowKey, bytes: number, now: number): boolean {
    const flows = this.#flows;
    const pinned = flows.lookup(flow.hashA, flow.hashB, now);
    if (pinned >= 0) {
      const { home } = flows;
      if (home !== pinned && this.paths.byId(home)?.carriesFlows === true) {
        flows.divert(flow.hashA, flow.hashB, home, now);
        return this.leaveOn(this.paths.byId(home));
      }
      const path = this.paths.byId(pinned);
      if (path !== null && path.carriesFlows) {
        return this.leaveOn(home === pinned ? this.#placeGrown(flow, path, bytes, now) : path);
      }
    }
    const chosen = this.#choice.pick(now);
    if (chosen < 0) return this.leaveOnLastHeard(bytes);
    if (pinned >= 0) flows.divert(flow.hashA, flow.hashB, chosen, now);
    else flows.assign(flow.hashA, flow.hashB, chosen, now);
    return this.leaveOn(this.paths.byId(chosen));
  }

  /** The path of a flow on `path`, which is placed once more when it has just grown. */
  #placeGrown(flow: FlowKey, path: SessionPath, bytes: number, now: number): SessionPath | null {
    const flows = this.#flows;
    const growth = flows.noteSent(bytes, now);
    if (growth === SENT) return path;
    if (growth !== SENT_GROWN) {
      this.#choice.noteGrown(path.id, now);
      return path;
    }
    const chosen = this.#choice.place(path.id, now);
    if (chosen === path.id) return path;
    flows.assign(flow.hashA, flow.hashB, chosen, now);
    return this.paths.byId(chosen);
  }
}
