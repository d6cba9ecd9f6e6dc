import { deepEqual, equal, match, ok } from "node:assert/strict";
import { type FigureName, FIGURES } from "./figures.ts";
import { formatReport, makeReport, verdict } from "./report.ts";
import { Samples } from "./samples.ts";

const NAMES: FigureName[] = ["tcp1_up", "cpu_s_per_gb", "ping_added_ms", "rss_mib"];

function example() {
  const samples = new Samples();
  for (const [i, subject] of (["fluxify", "raw", "openvpn", "wireguardGo"] as const).entries()) {
    samples.add("tcp1_up", subject, [3400.4, 17000, 340, 1700][i]!);
  }
  samples.add("cpu_s_per_gb", "fluxify", 7.001);
  samples.add("cpu_s_per_gb", "wireguardGo", 6.3);
  samples.add("ping_added_ms", "fluxify", 0.31249);
  return makeReport(samples, NAMES);
}

Deno.test("the report holds a number or null for each subject", () => {
  deepEqual(example().figures, [
    {
      ...{ name: "tcp1_up", unit: "Mbit/s" },
      ...{ fluxify: 3400, raw: 17000, openvpn: 340, wireguardGo: 1700 },
    },
    {
      ...{ name: "cpu_s_per_gb", unit: "s/GB" },
      ...{ fluxify: 7, raw: null, openvpn: null, wireguardGo: 6.3 },
    },
    {
      ...{ name: "ping_added_ms", unit: "ms" },
      ...{ fluxify: 0.312, raw: null, openvpn: null, wireguardGo: null },
    },
    {
      ...{ name: "rss_mib", unit: "MiB" },
      ...{ fluxify: null, raw: null, openvpn: null, wireguardGo: null },
    },
  ]);
});

Deno.test("targets are reached or not, or nobody knows", () => {
  const { figures } = example();
  const verdicts = figures.map((result) =>
    verdict(FIGURES.find(({ name }) => name === result.name)!, result)
  );
  deepEqual(verdicts, ["pass", "miss", "pass", "unknown"]);
  const [tcp] = figures;
  equal(verdict(FIGURES[0]!, { ...tcp!, wireguardGo: null }), "pass");
  equal(verdict(FIGURES[0]!, { ...tcp!, wireguardGo: 2429 }), "miss");
  equal(verdict(FIGURES[0]!, { ...tcp!, fluxify: 2499, wireguardGo: null }), "miss");
});

Deno.test("the table shows ratios and verdicts within 100 columns", () => {
  const table = formatReport(example(), ["openvpn: OpenVPN 2.6"]);
  match(table, /tcp1_up +3400 +17000 +340 +1700 Mbit\/s +2\.00 +10\.00 .*pass$/m);
  match(table, /cpu_s_per_gb +7\.00 +- +- +6\.30 s\/GB +1\.11 +- .*miss$/m);
  match(table, /OpenVPN 2\.6/);
  ok(table.split("\n").every((line) => line.length <= 100));
});
