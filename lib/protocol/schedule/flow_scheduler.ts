/**
 * `flow`: each flow keeps to one path, so its packets need no reordering. New flows are pinned to a
 * good path, placed once more when they have grown, and moved when their path no longer works or
 * turned bad. They return to it when it is good again; otherwise long flows would crowd on the
 * remaining paths after each fault. While a path is full, its grown flows are offered, one at a time, to paths where they
 * would get more, at last to those that are avoided for their round trip only.
 */
import type { FlowKey } from "../packet/flow_key.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import { FlowChoice } from "./flow_choice.ts";
import { bestMove, type FlowMove } from "./flow_moves.ts";
import { type FlowTable, SENT, SENT_GROWN } from "./flow_table.ts";
import { GROWN_READ_BYTES_MIN, GROWN_WINDOW_MS } from "./grown_flow.ts";
import { ImmediateScheduler } from "./immediate_scheduler.ts";
import { shareOut, type WeighedPath } from "./weights.ts";

/** Bytes a second of a session: below, no path has a load worth counting. */
const BUSY_RATE = 50_000;
/** What a move has done is seen after this: two windows of grown flows, and some round trips. */
const MOVE_EVERY_MS = 2 * GROWN_WINDOW_MS;

export class FlowScheduler extends ImmediateScheduler {
  readonly name = "flow";
  /** Chooses the path of a new flow. */
  readonly #choice = new FlowChoice();
  readonly #flows: FlowTable;
  readonly #usesFarPaths: boolean;
  /** Offered to the next grown flow that sends on `from`. */
  #move: FlowMove | null = null;
  #moveAt = -Infinity;

  /**
   * @param flows may be shared with other sessions.
   * @param usesFarPaths whether the peer delivers packets as they come, however far their paths are
   * apart.
   */
  constructor(paths: PathTable, flows: FlowTable, usesFarPaths: boolean) {
    super(paths);
    this.#flows = flows;
    this.#usesFarPaths = usesFarPaths;
  }

  pathsChanged(paths: readonly SessionPath[], weighed: readonly WeighedPath[], now: number): void {
    const weights = shareOut(weighed);
    const load = paths.reduce((sum, { quality }) => sum + quality.sentRate, 0);
    for (const [index, path] of paths.entries()) {
      const weight = weights[index]!;
      const busy = load < BUSY_RATE ? 0 : paths.length * path.quality.sentRate / load;
      this.#choice.set(path.id, weight, busy);
      path.carriesFlows = weight > 0;
    }
    if (now >= this.#moveAt) this.#considerMove(paths, now);
    else if (this.#move !== null && !this.#isOpen(this.#move.to)) this.#move = null;
  }

  #considerMove(paths: readonly SessionPath[], now: number): void {
    this.#moveAt = now + MOVE_EVERY_MS;
    this.#move = bestMove(paths.flatMap((path) => {
      const isFar = !path.carriesFlows && this.#isSpare(path);
      if (!path.carriesFlows && !isFar) return [];
      const { arrivals } = path.quality;
      return [{
        id: path.id,
        isFar,
        isFull: path.isFull(now),
        flows: this.#choice.grownOn(path.id, now),
        rate: arrivals.rate,
        fullRate: fullRateOf(path, now),
      }];
    }));
  }

  /** Whether grown flows may go to the path. */
  #isOpen(id: number): boolean {
    const path = this.paths.byId(id);
    return path !== null && (path.carriesFlows || this.#isSpare(path));
  }

  /** Whether only its round trip speaks against a path, or that it is kept for when others are full. */
  #isSpare(path: SessionPath): boolean {
    const isFar = this.#usesFarPaths && path.eligibility.isFar && path.mayCarry;
    return isFar || path.isHeldBack && path.rule.use === "backup" && path.isUsable;
  }

  pathRemoved({ id }: SessionPath): void {
    this.#choice.set(id, 0, 0);
    if (this.#move?.from === id || this.#move?.to === id) this.#move = null;
  }

  begin(flow: FlowKey, bytes: number, now: number): boolean {
    const flows = this.#flows;
    const pinned = flows.lookup(flow.hashA, flow.hashB, now);
    if (pinned >= 0) {
      const path = this.paths.byId(pinned);
      if (this.#move?.from === pinned && flows.isGrown && bytes >= GROWN_READ_BYTES_MIN) {
        return this.#takeMove(flow, this.#move, now);
      }
      if (flows.isSpilled && path !== null && this.#mayStaySpilled(flow, path, now)) {
        if (flows.noteSent(bytes, now) !== SENT) this.#choice.noteGrown(pinned, now);
        return this.leaveOn(path);
      }
      const { home } = flows;
      if (home !== pinned && this.paths.byId(home)?.carriesFlows === true) {
        flows.divert(flow.hashA, flow.hashB, home, now);
        return this.leaveOn(this.paths.byId(home));
      }
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

  /** Moves a grown flow, as was offered; it is at home where flows go for themselves. */
  #takeMove(flow: FlowKey, { to }: FlowMove, now: number): boolean {
    const path = this.paths.byId(to)!;
    if (path.carriesFlows) this.#flows.assign(flow.hashA, flow.hashB, to, now);
    else this.#flows.spill(flow.hashA, flow.hashB, to, now);
    this.#choice.noteGrown(to, now);
    this.#move = null;
    return this.leaveOn(path);
  }

  /** Whether a flow that was spilled to `path` goes on there. */
  #mayStaySpilled(flow: FlowKey, path: SessionPath, now: number): boolean {
    // The path is near now: the flow belongs there.
    if (path.carriesFlows) this.#flows.assign(flow.hashA, flow.hashB, path.id, now);
    return path.carriesFlows || this.#isSpare(path);
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

/** What the path carries when it is full, bytes a second, or null: that is not known. */
function fullRateOf({ quality, rule: { sendRate } }: SessionPath, now: number): number | null {
  const measured = quality.arrivals.fullRate(now);
  return sendRate === null ? measured : Math.min(sendRate, measured ?? sendRate);
}
