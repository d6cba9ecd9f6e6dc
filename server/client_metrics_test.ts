import { deepEqual, equal, ok } from "node:assert/strict";
import { ServerMonitor } from "../lib/status/server_status.ts";
import { MetricsPage } from "../lib/status/metrics/metrics_page.ts";
import { MetricsServer } from "../lib/status/metrics/metrics_server.ts";
import type { PathReport } from "../lib/net/engine.ts";
import type { SessionStatus } from "../lib/status/server_status.ts";
import { pathReport, sessionReport } from "../lib/status/test_session_report.ts";
import { ClientMetrics } from "./client_metrics.ts";
import { addSessions } from "./metrics.ts";

const ADDRESSES = { ipv4: "10.8.0.2", ipv6: "fd00:8::2" };

function client(name: string, paths: readonly PathReport[]): SessionStatus {
  return {
    ...{ receivedBytes: 0, sentBytes: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0 },
    ...{ name, addresses: ADDRESSES, isHeard: true, prescribed: null },
    session: sessionReport(paths),
  };
}

function samples(metrics: ClientMetrics, sessions: readonly SessionStatus[], nowMs = 0): string[] {
  const page = new MetricsPage();
  metrics.add(page, sessions, nowMs);
  return page.text().split("\n").filter((line) => line.startsWith("fluxify_"));
}

Deno.test("a client has its paths, the nearest round trip and the worst loss", () => {
  const paths = [
    pathReport(0, "path 0", { rttMs: 20, loss: 0.01, receivedBytes: 1, sentBytes: 2 }),
    pathReport(1, "path 1", { rttMs: 50, loss: 0.2, receivedBytes: 10, sentBytes: 20 }),
    pathReport(2, "path 2", { state: "down", rttMs: 5, loss: 1, receivedBytes: 0, sentBytes: 0 }),
  ];
  deepEqual(samples(new ClientMetrics(), [client('la"p', paths)]), [
    'fluxify_client_up{client="la\\"p"} 1',
    'fluxify_client_paths{client="la\\"p"} 3',
    'fluxify_client_paths_up{client="la\\"p"} 2',
    'fluxify_client_rtt_seconds{client="la\\"p"} 0.02',
    'fluxify_client_loss_ratio{client="la\\"p"} 0.2',
    'fluxify_client_received_bytes_total{client="la\\"p"} 11',
    'fluxify_client_sent_bytes_total{client="la\\"p"} 22',
    "fluxify_clients_not_named 0",
  ]);
});

Deno.test("a client with limits has what it has used of them", () => {
  const prescribed = {
    ...{ rate: null, quotaBytes: 1e9, usedBytes: 4e8, expires: null, reach: null, address: null },
    routes: [],
  };
  const session = { ...sessionReport([]), limited: { down: 3, up: 0, reach: 7 } };
  const lines = samples(new ClientMetrics(), [{ ...client("cam", []), prescribed, session }]);
  for (
    const line of [
      'fluxify_client_quota_bytes{client="cam"} 1000000000',
      'fluxify_client_quota_used_bytes{client="cam"} 400000000',
      'fluxify_client_limited_packets_total{client="cam",limit="down"} 3',
      'fluxify_client_limited_packets_total{client="cam",limit="reach"} 7',
    ]
  ) ok(lines.includes(line), `${line} is not in ${lines.join("\n")}`);
});

Deno.test("counters never go down: not with a path that goes, nor with one that is made anew", () => {
  const metrics = new ClientMetrics();
  const received = (sessions: SessionStatus[], nowMs: number) =>
    samples(metrics, sessions, nowMs).find((line) => line.includes("received"))?.split(" ")[1];
  const path = (id: number, receivedBytes: number) => pathReport(id, "p", { receivedBytes });
  equal(received([client("a", [path(0, 100), path(1, 50)])], 0), "150");
  equal(received([client("a", [path(0, 110)])], 1), "160", "one has gone");
  equal(received([client("a", [path(0, 5)])], 2), "165", "one begins anew");
  equal(received([], 3), "165", "a client that is gone is still there");
  equal(received([client("a", [path(0, 7)])], 4), "167", "and comes back");
  equal(received([], 4 + 11 * 60_000), undefined);
});

Deno.test("the number of series is limited, and those left out are counted", () => {
  const all = Array.from({ length: 1030 }, (_, number) => client(`c${number}`, []));
  const lines = samples(new ClientMetrics(), all);
  equal(lines.filter((line) => line.startsWith("fluxify_client_up")).length, 1024);
  ok(lines.includes("fluxify_clients_not_named 6"));
});

Deno.test("a scrape over HTTP has all clients of a reading of its own", async () => {
  const reports = Array.from({ length: 250 }, (_, number) => ({
    ...sessionReport([0, 1, 2, 3].map((id) => pathReport(id, `path ${id}`))),
    id: number,
  }));
  const sessions = reports.map(({ id }) => ({
    ...{ id, name: `client-${id}`, addresses: ADDRESSES, isHeard: true },
  }));
  let nowMs = 0;
  let readings = 0;
  const monitor = new ServerMonitor({
    engine: {
      report: () => {
        readings++;
        return Promise.resolve(structuredClone(reports));
      },
      drops: new Map() as never,
    },
    sessions: () => sessions,
    prescribed: () => null,
    nowMs: () => nowMs,
    pause: () => Promise.resolve(),
  });
  const clients = new ClientMetrics();
  await using server = await MetricsServer.open({ host: "127.0.0.1", port: 0 }, async (page) => {
    const read = await monitor.sessions("counters alone");
    addSessions(page, read);
    clients.add(page, read, nowMs);
  });
  const scrape = async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
    const text = await response.text();
    equal(text.split("\n").filter((line) => line.startsWith("fluxify_client_up")).length, 250);
  };
  await scrape();
  nowMs += 1000;
  await scrape();
  equal(readings, 2);
});
