/**
 * A client with a screen and nothing behind it: two links that are up. Run with `throw` or `reject`
 * it fails once they are shown, in a way nobody catches; with `fail` as programs should.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { runProgram } from "../../lib/cli/run_program.ts";
import { bondModels } from "./bond_view.ts";
import { withLiveScreen } from "./live_screen.ts";
import { bondStatus } from "./test_bond_status.ts";

const FAIL_AFTER_MS = 100;
const log = getLogger([LOG_CATEGORY, "client"]);

const [manner = "wait"] = Deno.args;
const programLog = { logLevel: "info", logFormat: "text" } as const;
const exitCode = await runProgram(
  "test",
  programLog,
  (signal) =>
    withLiveScreen("a test", programLog, signal, async (either, screen) => {
      const read = () =>
        Promise.resolve({ ...bondStatus(["one", "two"]), addresses: `process ${Deno.pid}` });
      screen.show(bondModels(read, performance.now()));
      log.info("the log\x1b[2J is on the screen");
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      either.addEventListener("abort", () => resolve(), { once: true });
      setTimeout(() => {
        if (manner === "throw") throw new Error("thrown at nobody");
        if (manner === "reject") Promise.reject(new Error("rejected to nobody"));
        if (manner === "fail") reject(new Error("failed on purpose"));
      }, FAIL_AFTER_MS);
      await promise;
      log.info("cleaned up");
    }),
);
Deno.exit(exitCode);
