/** What the operator may choose for a session. */
import type { CompressionMode } from "../compression/compression_mode.ts";
import type { DscpMode } from "../packet/traffic_class.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import { EPOCH_MS } from "../crypto/key_epochs.ts";

export interface SessionTuning {
  /** How packets are spread over the paths; null on the server: as the client does. */
  readonly scheduler: SchedulerName | null;
  readonly compression: CompressionMode;
  /** Whether to find out what size of packets each path carries. */
  readonly probeMtu: boolean;
  /** How long one key is used at most; x1 only. */
  readonly rekeyEveryMs: number;
  /** Where the DSCP of datagrams comes from. */
  readonly dscp: DscpMode;
}

export const DEFAULT_TUNING: SessionTuning = {
  scheduler: null,
  compression: "auto",
  probeMtu: true,
  rekeyEveryMs: EPOCH_MS,
  dscp: "copy",
};
