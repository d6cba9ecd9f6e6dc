/** The options of a session that its operator chose. */
import { EPOCH_PACKETS } from "../../protocol/crypto/key_epochs.ts";
import type { EngineSession } from "../engine.ts";

export function sessionTuning({ tuning, reorderFlushTimeoutMs }: EngineSession) {
  return {
    scheduler: tuning.scheduler,
    flushTimeoutMs: reorderFlushTimeoutMs,
    epochLimits: { packets: EPOCH_PACKETS, ms: tuning.rekeyEveryMs },
  };
}
