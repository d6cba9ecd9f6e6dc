/** What the tests of schedulers share: paths that are up, and the paths packets leave on. */
import { FlowKey } from "../packet/flow_key.ts";
import { PROTOCOL_TCP } from "../packet/ip.ts";
import { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import { FlowTable } from "./flow_table.ts";
import { Scheduling } from "./scheduling.ts";

export interface TestScheduling {
  readonly paths: PathTable;
  readonly flows: FlowTable;
  readonly scheduling: Scheduling;
  /** As they were added. */
  readonly added: readonly SessionPath[];
  /** The ids of the paths a packet of flow `number` leaves on; null: the session has none. */
  send(number: number, options?: SendOptions): number[] | null;
}

interface SendOptions {
  readonly protocol?: number;
  readonly bytes?: number;
  readonly now?: number;
}

/** Paths with these round trips, all up, judged at 0; one of null is not measured. */
export function setUpScheduling(
  rttsMs: readonly (number | null)[],
  scheduler: SchedulerName = "flow",
): TestScheduling {
  const paths = new PathTable(0);
  const flows = new FlowTable();
  const scheduling = new Scheduling(
    { paths, flows, deliversAtOnce: true, ordersFlows: true },
    scheduler,
    50,
  );
  const added = rttsMs.map((rttMs, id) => {
    const path = paths.add({ id, name: `link ${id}`, socket: id, peer: null })!;
    path.liveness.heard(0);
    path.lastHeardAt = id;
    if (rttMs !== null) path.quality.rttMeasured(rttMs, 0);
    return path;
  });
  scheduling.judge(0);
  const send = (number: number, options: SendOptions = {}) => {
    const { protocol = PROTOCOL_TCP, bytes = 1000, now = 0 } = options;
    const flow = Object.assign(new FlowKey(), { hashA: number, hashB: -number, protocol });
    if (!scheduling.scheduler.begin(flow, bytes, now)) return null;
    return scheduling.scheduler.offer(0, bytes, now)!.paths.map(({ id }) => id);
  };
  return { paths, flows, scheduling, added, send };
}

/** The link of a path is gone. */
export function fail({ scheduling }: TestScheduling, path: SessionPath, now = 0): void {
  path.isLinkGone = true;
  path.liveness.linkDown(now);
  scheduling.judge(now);
}

/** The link of a path is back, and something has come on it. */
export function recover({ scheduling }: TestScheduling, path: SessionPath, now = 0): void {
  path.isLinkGone = false;
  path.liveness.linkUp(now);
  path.forgetRoute();
  path.liveness.heard(now);
  path.eligibility.recovered(now);
  scheduling.judge(now);
}
