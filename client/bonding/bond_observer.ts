/** What bonding tells a user interface beside it. */
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import type { StepStatus } from "./connect_progress.ts";
import type { SessionReport } from "../../lib/net/engine.ts";

export interface BondStatus {
  /** As the user named it. */
  readonly server: string;
  /** That the links lead to at present; of both families with `and` between. */
  readonly serverAddress: string;
  /** Those of this machine inside the tunnel, as in `10.8.0.2 and fd00:8::2`. */
  readonly addresses: string;
  /** Names of the links, in the user's order, also of those that have no path at the moment. */
  readonly links: readonly string[];
  /** By name, why a link cannot be used, such as "has no carrier"; the others do not occur. */
  readonly problems: ReadonlyMap<string, string>;
  /** Null while there is none. */
  readonly session: SessionReport | null;
}

/** What can be changed while it runs. */
export interface BondControls {
  /** From the next session on, which is asked for at once; the one in use goes on until then. */
  useScheduler(name: SchedulerName): void;
  /**
   * These links from now on, by name, in the session in use; those that are not there are used when
   * they come. @throws RangeError for too few or too many.
   */
  useLinks(names: readonly string[]): void;
}

export interface BondObserver {
  /** How far the first connection has come, at each change. */
  onConnecting(steps: readonly StepStatus[]): void;
  /** There is a session. `readStatus` may be called as often as the screen changes. */
  onBonding(readStatus: () => Promise<BondStatus>, controls: BondControls): void;
}
