import { deepEqual } from "node:assert/strict";
import { MetricsPage } from "../lib/status/metrics/metrics_page.ts";
import { pathReport, sessionReport } from "../lib/status/test_session_report.ts";
import { addControl, addSessions, addStore } from "./metrics.ts";
import type { StoreStatus } from "./store/server_store.ts";
import { storeRows } from "./store/store_text.ts";

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

Deno.test("a shared store has its metrics, a server's own files have none", () => {
  const of = (status: StoreStatus) => {
    const page = new MetricsPage();
    addStore(page, status);
    return page.text().split("\n").filter((line) => /^fluxify/.test(line));
  };
  deepEqual(of({ kind: "file" }), []);
  const server = { name: "vpn1", isThis: true, sessions: 3, isDraining: false };
  const status = {
    ...{ kind: "nats", place: "n1", isReachable: false, problem: "no answer" } as const,
    ...{ reachedMsAgo: 1500, refusedEntries: 2, lastRefused: "x: y", pendingWrites: 4 },
    servers: [{ ...server, heardMsAgo: 0 }, { ...server, isThis: false, heardMsAgo: 60_000 }],
  };
  deepEqual(of(status), [
    "fluxify_store_up 0",
    "fluxify_store_reached_seconds 1.5",
    "fluxify_store_pending 4",
    "fluxify_store_refused_entries_total 2",
    "fluxify_store_servers 1",
  ]);
  deepEqual(storeRows(status), [
    ["shared store", "n1, away for 1.5 s: no answer"],
    ["not shared yet", "4 changes"],
    ["refused", "2 entries, the last x: y"],
    ["server", "vpn1 (this one), 3 sessions"],
    ["server", "vpn1, 3 sessions, silent for 60 s"],
  ]);
});
