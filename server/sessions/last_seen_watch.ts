/** Writes down when clients were heard, beside the data plane and never on its way. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import type { Engine } from "../../lib/net/engine.ts";
import { LastSeen } from "./last_seen.ts";
import { readLastSeen, writeLastSeen } from "./last_seen_file.ts";

const LOOK_EVERY_MS = 5_000;
/** How long the last look may take: an engine that is stuck must not keep the machine from its routes. */
const LAST_LOOK_MS = 2_000;

interface WatchOptions {
  /** The folder of the certificates. */
  readonly directory: string;
  readonly engine: Pick<Engine, "heard">;
  /** For the operator. */
  readonly warn: (line: string) => void;
  readonly lastLookMs?: number;
}

/** Until it is disposed of, which writes what is left. Nothing that fails here ends the server. */
export async function watchLastSeen(
  { directory, engine, warn, lastLookMs = LAST_LOOK_MS }: WatchOptions,
): Promise<AsyncDisposable> {
  let said: string | null = null;
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
      said = null;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== said) warn(problem);
      said = problem;
    }
  };
  let before = new Map<string, number>();
  await attempt(async () => {
    before = await readLastSeen(directory);
  });
  const seen = new LastSeen(before);
  const queue = new SerialQueue();
  const look = (how: "in time" | "last") =>
    attempt(async () => {
      const nowMs = Date.now();
      for (const { name, msAgo } of await engine.heard()) {
        seen.note(name, Math.round(nowMs - msAgo));
      }
      const due = seen.due(nowMs, how);
      if (due !== null) await writeLastSeen(directory, due);
    });
  // A look that takes long is not waited for by many.
  const lookInTime = queue.shared(() => look("in time"));
  const timer = setInterval(() => void lookInTime(), LOOK_EVERY_MS);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      const late = Promise.withResolvers<void>();
      const limit = setTimeout(late.resolve, lastLookMs);
      await Promise.race([queue.run(() => look("last")), late.promise]);
      clearTimeout(limit);
    },
  };
}
