import { equal } from "node:assert/strict";
import { MetricsPage } from "./metrics_page.ts";

Deno.test("a page has each metric once, with its labels escaped, and nothing that is not known", () => {
  const page = new MetricsPage();
  page.gauge("fluxify_rtt_seconds", "Round trip.\nOf a path \\ link.", 0.02, { link: 'a"b\\c\nd' });
  page.gauge("fluxify_rtt_seconds", "ignored", 0.5, { link: "two" });
  page.gauge("fluxify_rtt_seconds", "ignored", null, { link: "three" });
  page.counter("fluxify_drops_total", "Drops.", 3);
  page.counter("fluxify_drops_total", "Drops.", 4);
  page.counter("fluxify_none_total", "None.", undefined);
  page.gauge("fluxify_limit", "Limit.", Infinity);
  equal(
    page.text(),
    "# HELP fluxify_rtt_seconds Round trip.\\nOf a path \\\\ link.\n" +
      "# TYPE fluxify_rtt_seconds gauge\n" +
      'fluxify_rtt_seconds{link="a\\"b\\\\c\\nd"} 0.02\n' +
      'fluxify_rtt_seconds{link="two"} 0.5\n' +
      "# HELP fluxify_drops_total Drops.\n# TYPE fluxify_drops_total counter\n" +
      "fluxify_drops_total 7\n" +
      "# HELP fluxify_limit Limit.\n# TYPE fluxify_limit gauge\nfluxify_limit +Inf\n",
  );
});
