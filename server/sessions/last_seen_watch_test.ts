import { deepEqual } from "node:assert/strict";
import type { SessionHeard } from "../../lib/net/engine.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { watchLastSeen } from "./last_seen_watch.ts";

Deno.test("an engine that never answers does not hold up the end", async () => {
  await using directory = await TemporaryDirectory.create();
  const warnings: string[] = [];
  const watch = await watchLastSeen({
    directory: directory.path,
    engine: { heard: () => new Promise<SessionHeard[]>(() => {}) },
    warn: (line) => warnings.push(line),
    lastLookMs: 1,
  });
  await watch[Symbol.asyncDispose]();
  deepEqual(warnings, []);
});
