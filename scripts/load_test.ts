import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { needsRoot } from "../tests/netns/namespace.ts";
import { parseOptions } from "./load.ts";
import type { FleetNotice } from "./load/fleet_program.ts";
import { describe, type LoadReport, type SessionsFigure, shortfalls } from "./load/report.ts";
import { withFigures } from "./load/scaling_document.ts";
import { drawScaling } from "./load/scaling_picture.ts";
import { Site } from "./load/site.ts";

const IDLE: SessionsFigure = {
  ...{
    kind: "idle",
    sessions: 1000,
    paths: 2,
    busy: 0,
    percent: 3,
    mib: 200,
    answered: 1,
    pathsUp: 1,
  },
  ...{ pingMs: { median: 0.3, p99: 2 }, openedPerSecond: 100 },
};
const EXCHANGES = { tried: 3000, served: 3000, perSecond: 200, medianMs: 5, longestMs: 50 };
const REPORT: LoadReport = {
  cores: 2,
  threads: 1,
  sessions: [IDLE, { ...IDLE, kind: "busy", busy: 1000, percent: 90, mib: 400 }],
  exchanges: { ...EXCHANGES, percent: 60 },
  halfOpen: { ...EXCHANGES, tried: 20, served: 20 },
};

Deno.test("topics and threads are understood, and what is unknown is refused", () => {
  const options = parseOptions(["--", "--only", "busy,idle", "--threads", "2", "--json"]);
  ok(options !== "help");
  deepEqual(options.topics, ["idle", "busy"]);
  equal(options.threads, 2);
  equal(options.json, true);
  equal(options.scheduler, "flow");
  const other = parseOptions(["--scheduler", "aggregate"]);
  equal(other !== "help" && other.scheduler, "aggregate");
  throws(() => parseOptions(["--scheduler", "fast"]), /--scheduler knows .*, and not 'fast'/);
  equal(parseOptions(["--help"]), "help");
  throws(() => parseOptions(["--only", "idle,all"]), /--only knows .*, and not 'all'/);
  throws(() => parseOptions(["--threads", "9"]), /--threads must be 1 to 8, not '9'/);
  throws(() => parseOptions(["--fast"]), /--fast/);
});

Deno.test("figures within their bounds are good, and each that is not is told", () => {
  deepEqual(shortfalls(REPORT), []);
  const [idle, busy] = REPORT.sessions as [SessionsFigure, SessionsFigure];
  const { exchanges, halfOpen } = REPORT;
  const cases: [Partial<LoadReport>, RegExp][] = [
    [{ sessions: [{ ...idle, percent: 5.1 }] }, /5\.1 % of a core, not 5/],
    [{ sessions: [{ ...idle, mib: 301 }] }, /301 MiB, not 300/],
    [{ sessions: [{ ...idle, pathsUp: 0.999 }] }, /0\.10 % of the paths do not work/],
    [{ sessions: [{ ...busy, percent: 101 }] }, /101\.0 % of a core, not 100/],
    [{ sessions: [{ ...busy, answered: 0.98 }] }, /98\.00 % of pings answered/],
    [{ exchanges: { ...exchanges!, perSecond: 190 } }, /190 a second, not 200/],
    [{ exchanges: { ...exchanges!, served: 2999 } }, /1 of 3000 failed/],
    [{ halfOpen: { ...halfOpen!, longestMs: 1001 } }, /waited 1001 ms, not 1000/],
    [{ halfOpen: { ...halfOpen!, served: 19 } }, /1 of 20 clients were kept out/],
  ];
  for (const [change, message] of cases) {
    const missed = shortfalls({ ...REPORT, ...change });
    equal(missed.length, 1);
    match(missed[0]!, message);
  }
  // Two threads may use two cores.
  deepEqual(shortfalls({ ...REPORT, threads: 2, sessions: [{ ...busy, percent: 150 }] }), []);
});

Deno.test("the document gets the figures between its marks, and keeps the rest", () => {
  const begin = "<!-- figures of scripts/load: begin -->";
  const end = "<!-- figures of scripts/load: end -->";
  const text = withFigures(`before\n${begin}\nold\n${end}\nafter\n`, REPORT);
  ok(text.startsWith(`before\n${begin}\n`) && text.endsWith(`${end}\nafter\n`));
  ok(!text.includes("old"));
  for (const line of describe(REPORT)) ok(text.includes(line), line);
  throws(() => withFigures("nothing", REPORT), /needs a line/);
});

Deno.test("the picture has a point for each figure", () => {
  const picture = drawScaling([IDLE, { ...IDLE, sessions: 100 }, {
    ...REPORT.sessions[1]!,
    paths: 1,
  }]);
  // Processor time and memory of the idle ones, processor time of the busy one.
  equal(picture.match(/<circle /g)?.length, 5);
  ok(!picture.includes("NaN"));
});

Deno.test({
  name: "netns: simulated clients get sessions, and their pings through the tunnel are answered",
  ...needsRoot(),
  async fn() {
    await using site = await Site.create(1, { revoked: 1 });
    const server = await site.startServer(["-threads", "2"]);
    const step = { clients: 5, pinging: 5, bytes: 500, everyMs: 50, restSeconds: 1, seconds: 1 };
    for (const scheduler of ["flow", "aggregate"] as const) {
      const notices: FleetNotice[] = [];
      const work = { kind: "sessions", paths: 2, scheduler, steps: [step] } as const;
      await site.runFleet(work, 5, 30_000, (notice) => notices.push(notice));
      deepEqual(notices.map(({ event }) => event), ["opened", "begin", "measured", "end", "done"]);
      const end = notices.find((notice) => notice.event === "end")!;
      const { sent, answered, refused, pathsUp, paths } = end.figures;
      ok(sent >= 50 && answered >= sent, `${answered} of ${sent} with ${scheduler}`);
      deepEqual({ refused, pathsUp, paths }, { refused: 0, pathsUp: 10, paths: 10 });
    }
    equal(await server.stop("SIGTERM"), 0);
  },
});
