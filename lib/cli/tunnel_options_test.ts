import { deepEqual, equal, throws } from "node:assert/strict";
import { UsageError } from "./exit.ts";
import { pathFor, tunnelOptions } from "./tunnel_options.ts";
import { DEFAULT_TUNING } from "../protocol/session/session_tuning.ts";

Deno.test("tunnelOptions() names the units", () => {
  const raw = {
    ctrl: 8443,
    reorderBufferSize: 2048,
    reorderFlushTimeout: 50,
    engine: "auto",
    compression: "auto",
    rekeyEvery: 120_000,
    dscp: "copy",
    logJson: true,
  } as const;
  deepEqual(tunnelOptions(raw), {
    controlPort: 8443,
    reorderBufferSize: 2048,
    reorderFlushTimeoutMs: 50,
    tuning: DEFAULT_TUNING,
    acceptsV1: false,
    engine: "auto",
    logLevel: "info",
    logFormat: "json",
  });
});

Deno.test("pathFor() refuses an empty path", () => {
  equal(pathFor("-pki")("./pki"), "./pki");
  for (const text of ["", "  ", "a\0b"]) {
    throws(() => pathFor("-pki")(text), new UsageError(`-pki must be a path, not '${text}'`));
  }
});
