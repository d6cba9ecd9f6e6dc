import { deepEqual, equal, ok } from "node:assert/strict";
import { MetricsPage } from "../../lib/status/metrics/metrics_page.ts";
import { pathReport } from "../../lib/status/test_session_report.ts";
import { summarize } from "../balance/status.ts";
import { bondStatus } from "../screen/test_bond_status.ts";
import { addBalance } from "./balance_metrics.ts";
import { addBond } from "./bond_metrics.ts";

async function samplesOf(fill: (page: MetricsPage) => void): Promise<string[]> {
  const page = new MetricsPage();
  fill(page);
  return (await page.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

Deno.test("a bond has a series for each link, in base units, without what is not known", async () => {
  const traffic = {
    ...{ receivedBytes: 2000, sentBytes: 1000, receivedBytesPerSecond: 0, sentBytesPerSecond: 0 },
    lastMinute: [],
  };
  const paths = [
    pathReport(0, "one", { rttMs: 20, loss: 0.05, jitterMs: null }),
    pathReport(1, "two", { state: "down", isGood: true, repairedPackets: 4 }),
  ];
  const status = { ...bondStatus(["one", "two"], paths, () => traffic), drops: { replayed: 2 } };
  const samples = await samplesOf((page) => addBond(page, status));
  for (
    const line of [
      "fluxify_session_up 1",
      'fluxify_session_scheduler{scheduler="flow"} 1',
      'fluxify_session_scheduler{scheduler="stripe"} 0',
      'fluxify_link_up{link="one"} 1',
      'fluxify_link_up{link="two"} 0',
      'fluxify_link_good{link="two"} 0',
      'fluxify_link_rtt_seconds{link="one"} 0.02',
      'fluxify_link_loss_ratio{link="one"} 0.05',
      'fluxify_link_received_bytes_total{link="two"} 2000',
      'fluxify_link_repaired_packets_total{link="two"} 4',
      "fluxify_session_plain_bytes_total 3000",
      "fluxify_session_carried_bytes_total 2000",
      "fluxify_session_reorder_reordered_total 2",
      "fluxify_session_reorder_max_packets 4",
      'fluxify_drops_total{reason="replayed"} 2',
    ]
  ) ok(samples.includes(line), `${line} is not in\n${samples.join("\n")}`);
  ok(!samples.some((line) => line.startsWith("fluxify_gain_ratio")));
  const gaining = await samplesOf((page) => addBond(page, { ...status, gainOverBest: 1.5 }));
  ok(gaining.includes("fluxify_gain_ratio 1.5"));
  ok(!samples.some((line) => line.startsWith('fluxify_link_jitter_seconds{link="one"}')));
});

Deno.test("without a session every link is down, and nothing is made up", async () => {
  const status = { ...bondStatus(["one"]), session: null };
  const samples = await samplesOf((page) => addBond(page, status));
  ok(samples.includes("fluxify_session_up 0"));
  ok(samples.includes('fluxify_link_up{link="one"} 0'));
  ok(!samples.some((line) => line.includes("rtt_seconds")));
});

Deno.test("names follow the conventions: a prefix, a help, a unit, _total for counters alone", async () => {
  const page = new MetricsPage();
  addBond(page, { ...bondStatus(["one"]), drops: { late: 1 } });
  addBalance(
    page,
    summarize("spread", [{
      name: "wan1",
      ...{ receivedBytes: 1, sentBytes: 2, receivedBytesPerSecond: 0, sentBytesPerSecond: 0 },
      lastMinute: [],
      volume: null,
      families: {
        4: {
          ...{ state: "healthy", gateway: null, problem: null, weight: 1, idleFor: null, rttMs: 5 },
          ...{ jitterMs: null, loss: 0, score: 90, probes: 3 },
        },
        6: null,
      },
    }]),
  );
  const lines = (await page.text()).split("\n");
  const types = lines.filter((line) => line.startsWith("# TYPE")).map((line) => line.split(" "));
  ok(types.length > 15);
  for (const [, , name = "", type] of types) {
    ok(/^fluxify_[a-z0-9_]+$/.test(name), name);
    equal(type === "counter", name.endsWith("_total"), name);
    ok(!/_(ms|milliseconds|kb|percent)(_|$)/.test(name), name);
    ok(lines.some((line) => line.startsWith(`# HELP ${name} `) && line.endsWith(".")), name);
  }
  const uplink = 'fluxify_uplink_rtt_seconds{uplink="wan1",family="ipv4"} 0.005';
  deepEqual(lines.filter((line) => line.startsWith("fluxify_uplink_rtt")), [uplink]);
});
