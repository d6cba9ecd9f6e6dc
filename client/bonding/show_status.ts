/** Logs how the session and its paths are doing: on SIGUSR2, and each `everyMs` unless that is 0. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { describeDrops, type Engine } from "../../lib/net/engine.ts";
import { metricsLines } from "../../lib/status/metrics_line.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/**
 * To be called before anybody may send the signal: one that nobody listens for ends the program.
 * `describeUnusable` tells of links that have no path, and why: empty for none.
 */
export function showStatus(
  engine: Pick<Engine, "report" | "drops">,
  everyMs: number,
  describeUnusable: () => string,
): Disposable {
  const show = () => {
    engine.report().then((sessions) => {
      for (const session of sessions) {
        for (const entry of metricsLines(session)) log.info("{line}", { ...entry });
      }
      const unusable = describeUnusable();
      if (unusable !== "") log.info("not in use: {unusable}", { unusable });
      log.info("dropped: {drops}", { drops: describeDrops(engine.drops) });
    }).catch((error) => log.warn("cannot read the counters: {error}", { error }));
  };
  const showing = everyMs === 0 ? undefined : setInterval(show, everyMs);
  Deno.addSignalListener("SIGUSR2", show);
  return {
    [Symbol.dispose]() {
      Deno.removeSignalListener("SIGUSR2", show);
      clearInterval(showing);
    },
  };
}
