/** The ways of spreading packets over the paths of a session. */

/**
 * - `aggregate`: one flow over all paths, paced and put in order; towards a peer that cannot, as `flow`.
 * - `flow`: each flow keeps to one good path.
 * - `stripe`: each packet for itself, over all good paths, put in order again by the receiver.
 * - `redundant`: each packet on every live path; the first copy counts.
 * - `failover`: everything on the best path, the others stand by.
 */
export const SCHEDULERS = ["aggregate", "flow", "stripe", "redundant", "failover"] as const;

export type SchedulerName = typeof SCHEDULERS[number];
