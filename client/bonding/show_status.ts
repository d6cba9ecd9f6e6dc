/** Logs how the session and its paths are doing: on SIGUSR2, and each `everyMs` unless that is 0. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { BondStatus } from "../../lib/status/bond_status.ts";
import { describeDrops, metricsLines } from "../../lib/status/metrics_line.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** To be called before anybody may send the signal: one that nobody listens for ends the program. */
export function showStatus(
  readStatus: () => Promise<BondStatus>,
  everyMs: number,
): Disposable {
  const show = () => {
    readStatus().then(({ session, links, drops }) => {
      for (const entry of session === null ? [] : metricsLines(session)) {
        log.info("{line}", { ...entry });
      }
      const unusable = links.filter(({ problem }) => problem !== null)
        .map(({ name, problem }) => `${name} ${problem}`).join(", ");
      if (unusable !== "") log.info("not in use: {unusable}", { unusable });
      log.info("dropped: {drops}", { drops: describeDrops(drops) });
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
