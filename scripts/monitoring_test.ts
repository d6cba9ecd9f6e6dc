import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join, resolve } from "node:path";
import { queriesOf, unknownMetrics } from "./monitoring/dashboard.ts";

const ROOT = resolve(import.meta.dirname!, "..");

Deno.test("queries of a dashboard are those of its panels, with variables filled in", () => {
  const queries = queriesOf({
    panels: [{}, {
      targets: [{ expr: 'rate(fluxify_a_total{i=~"$instance"}[$__rate_interval])' }],
    }],
    annotations: { list: [{}, { expr: "fluxify_b > 0" }] },
  });
  deepEqual(queries, ['rate(fluxify_a_total{i=~".*"}[1m])', "fluxify_b > 0"]);
  deepEqual(unknownMetrics(queries, new Set(["fluxify_b"])), ["fluxify_a_total"]);
});

Deno.test("each metric of the dashboard and of the alerts is in the docs", async () => {
  const dashboard = await Deno.readTextFile(join(ROOT, "packaging/grafana/fluxify.json"));
  const rules = await Deno.readTextFile(join(ROOT, "packaging/prometheus/fluxify.rules.yml"));
  const docs = await Deno.readTextFile(join(ROOT, "docs/operations.md"));
  const documented = new Set(
    [...docs.matchAll(/^\| (`fluxify_[^|]*)\|/gm)].flatMap(([, cell]) => namesIn(cell!)),
  );
  ok(documented.size > 30);
  const used = [...queriesOf(JSON.parse(dashboard)), rules];
  deepEqual(unknownMetrics(used, documented), []);
  match(rules, /alert: FluxifyLinkDown/);
  equal(new Set(JSON.parse(dashboard).panels.map(({ id }: { id: number }) => id)).size > 20, true);
});

/** `fluxify_link_{up,good}`, `_mtu_bytes` are three names. */
function namesIn(cell: string): string[] {
  let prefix = "";
  return [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, text]) => {
    const name = text!.startsWith("_") ? prefix + text : text!;
    const names = expand(name);
    if (!text!.startsWith("_")) prefix = /^fluxify_[a-z]+/.exec(names[0]!)?.[0] ?? "";
    return names;
  });
}

function expand(name: string): string[] {
  const [, before, list, after] = /^(.*?)\{([^}]*)\}(.*)$/.exec(name) ?? [];
  if (list === undefined) return [name];
  return list.split(",").flatMap((word) => expand(before + word + after));
}
