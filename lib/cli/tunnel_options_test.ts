import { deepEqual, equal, throws } from "node:assert/strict";
import { UsageError } from "./exit.ts";
import { pathFor, reorderFlushTimeoutOption, tunnelOptions } from "./tunnel_options.ts";
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

Deno.test("tunnelOptions() takes any -reorder-flush-timeout, and says where it ends", () => {
  const raw = {
    ctrl: 8443,
    reorderBufferSize: 2048,
    engine: "auto",
    compression: "auto",
    rekeyEvery: 120_000,
    dscp: "copy",
  } as const;
  const parse = (text: string) => {
    const option = reorderFlushTimeoutOption();
    const reorderFlushTimeout = option.parseArg!(text, 50) as number;
    const { reorderFlushTimeoutMs, notices } = tunnelOptions({ ...raw, reorderFlushTimeout });
    return [reorderFlushTimeoutMs, notices];
  };
  const cut = ["-reorder-flush-timeout is taken as 10s: no packet waits longer for others"];
  deepEqual(parse("10s"), [10_000, undefined]);
  deepEqual(parse("500us"), [0.5, undefined]);
  deepEqual(parse("10000001us"), [10_000, cut]);
  deepEqual(parse("7200000000000ns"), [10_000, cut]);
  deepEqual(parse("2h45m"), [10_000, cut]);
});

Deno.test("pathFor() refuses an empty path", () => {
  equal(pathFor("-pki")("./pki"), "./pki");
  for (const text of ["", "  ", "a\0b"]) {
    throws(() => pathFor("-pki")(text), new UsageError(`-pki must be a path, not '${text}'`));
  }
});
