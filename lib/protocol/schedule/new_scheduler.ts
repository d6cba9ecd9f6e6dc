/** The scheduler of a name. */
import type { PathTable } from "../path/path_table.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import type { OrderNumbers } from "./aggregate/order_numbers.ts";
import { AggregateScheduler } from "./aggregate_scheduler.ts";
import { FailoverScheduler } from "./failover_scheduler.ts";
import { FlowScheduler } from "./flow_scheduler.ts";
import type { FlowTable } from "./flow_table.ts";
import { RedundantScheduler } from "./redundant_scheduler.ts";
import type { Scheduler } from "./scheduler.ts";
import { StripeScheduler } from "./stripe_scheduler.ts";

export interface SchedulerContext {
  readonly paths: PathTable;
  /** Remembers where flows go; may be shared with other sessions. */
  readonly flows: FlowTable;
  /** Whether the peer delivers packets that need no order as they come. */
  readonly deliversAtOnce: boolean;
  /** Whether both peers know acknowledgements and the order extension. */
  readonly ordersFlows: boolean;
}

/** @param numbers of the session's packets, which go on with a scheduler that takes over. */
export function newScheduler(
  name: SchedulerName,
  { paths, flows, deliversAtOnce, ordersFlows }: SchedulerContext,
  numbers: OrderNumbers,
): Scheduler {
  switch (name) {
    case "flow":
      return new FlowScheduler(paths, flows, deliversAtOnce);
    case "stripe":
      return new StripeScheduler(paths);
    case "redundant":
      return new RedundantScheduler(paths);
    case "failover":
      return new FailoverScheduler(paths);
    case "aggregate":
      return ordersFlows
        ? new AggregateScheduler(paths, numbers)
        : new FlowScheduler(paths, flows, deliversAtOnce);
    default:
      return name satisfies never;
  }
}
