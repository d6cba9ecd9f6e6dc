/** The scheduler of a name. */
import type { PathTable } from "../path/path_table.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import { FailoverScheduler } from "./failover_scheduler.ts";
import { FlowScheduler } from "./flow_scheduler.ts";
import type { FlowTable } from "./flow_table.ts";
import { RedundantScheduler } from "./redundant_scheduler.ts";
import type { Scheduler } from "./scheduler.ts";
import { StripeScheduler } from "./stripe_scheduler.ts";

/** @param flows remembers where flows go; may be shared with other sessions. */
export function newScheduler(name: SchedulerName, paths: PathTable, flows: FlowTable): Scheduler {
  switch (name) {
    case "flow":
      return new FlowScheduler(paths, flows);
    case "stripe":
      return new StripeScheduler(paths);
    case "redundant":
      return new RedundantScheduler(paths);
    case "failover":
      return new FailoverScheduler(paths);
    default:
      return name satisfies never;
  }
}
