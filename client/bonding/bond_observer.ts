/** What bonding tells a user interface beside it. */
import type { CompressionMode } from "../../lib/protocol/compression/compression_mode.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import type { BondStatus } from "../../lib/status/bond_status.ts";
import type { LinkRates, LinkUses } from "../config/link_rules.ts";
import type { RunningLinks } from "../local_socket/links_command.ts";
import type { StepStatus } from "./connect_progress.ts";

/**
 * What can be changed while it runs: links in the session in use; those that are not there are used
 * when they come.
 */
export interface BondControls extends RunningLinks {
  /** From the next session on, which is asked for at once; the one in use goes on until then. */
  useScheduler(name: SchedulerName): void;
  /** As useScheduler(), of what this side sends. */
  useCompression(mode: CompressionMode): void;
  /**
   * Asks these DNS servers through the tunnel from now on; none: those the machine had before.
   * @throws Error that says why not.
   */
  useDns(servers: readonly string[]): Promise<void>;
  /** Links carry so much at most, in the session in use. @throws UsageError for what is no link. */
  useRates(rates: LinkRates): void;
  /** Links are used so, in the session in use. @throws UsageError for what is no link. */
  useUses(uses: LinkUses): void;
}

export interface BondObserver {
  /** How far the first connection has come, at each change. */
  onConnecting(steps: readonly StepStatus[]): void;
  /** There is a session. `readStatus` may be called as often as the screen changes. */
  onBonding(readStatus: () => Promise<BondStatus>, controls: BondControls): void;
}
