import { deepEqual } from "node:assert/strict";
import { MetricsPage } from "../lib/status/metrics/metrics_page.ts";
import { pathReport, sessionReport } from "../lib/status/test_session_report.ts";
import { addControl, addSessions } from "./metrics.ts";

const NOTHING = {
  ...{ receivedBytes: 0, sentBytes: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0 },
  ...{ addresses: { ipv4: "10.8.0.2", ipv6: "fd00:8::2" }, isHeard: true, prescribed: null },
};

Deno.test("sessions and paths are counted, and no series has the name of a client", async () => {
  const sessions = Array.from({ length: 250 }, (_, number) => ({
    ...NOTHING,
    name: `client${number}`,
    session: sessionReport([
      pathReport(0, "path 0"),
      pathReport(1, "path 1", { state: number < 50 ? "down" : "up" }),
    ]),
  }));
  const page = new MetricsPage();
  addSessions(page, sessions);
  deepEqual((await page.text()).split("\n").filter((line) => /^fluxify/.test(line)), [
    'fluxify_sessions{wire="x1"} 250',
    'fluxify_sessions{wire="v1"} 0',
    'fluxify_paths{state="probing"} 0',
    'fluxify_paths{state="up"} 450',
    'fluxify_paths{state="suspect"} 0',
    'fluxify_paths{state="down"} 50',
  ]);
});

Deno.test("connections to the control port are counted by what became of them", () => {
  const page = new MetricsPage();
  const strangers = { handshakesFailed: 5, timedOut: 1, evicted: 2 };
  addControl(page, { accepted: 20, granted: 3, refused: 4, ...strangers });
  deepEqual(page.text().split("\n").filter((line) => /^fluxify/.test(line)), [
    "fluxify_control_connections_total 20",
    'fluxify_control_results_total{result="granted"} 3',
    'fluxify_control_results_total{result="refused"} 4',
    'fluxify_control_results_total{result="handshake failed"} 5',
    'fluxify_control_results_total{result="timed out"} 1',
    'fluxify_control_results_total{result="evicted"} 2',
  ]);
});
