import { deepEqual, equal } from "node:assert/strict";
import { pingPaths } from "./path_ping.ts";
import { pathReport, sessionReport } from "./test_session_report.ts";

/** Two paths on virtual time: `answers` says after how long one answers, null for never. */
function setUp(answers: Record<string, (number: number) => number | null>) {
  let nowMs = 0;
  const names = Object.keys(answers);
  const paths = names.map((name) => ({
    ...{ name, sent: 5, due: [] as { at: number; rtt: number }[] },
  }));
  const engine = {
    report: () =>
      Promise.resolve([{
        ...sessionReport(paths.map(({ name, sent, due }, id) => {
          const came = due.filter(({ at }) => at <= nowMs);
          return pathReport(id, name, {
            heartbeatsSent: sent,
            heartbeatsAnswered: 5 + came.length,
            rttLastMs: came.at(-1)?.rtt ?? 99,
          });
        })),
        id: 7,
      }]),
    probePaths: (session: number) => {
      equal(session, 7);
      for (const path of paths) {
        const rtt = answers[path.name]!(path.sent++ - 5);
        if (rtt !== null) path.due.push({ at: nowMs + rtt, rtt });
      }
    },
  };
  return {
    engine,
    pause: (ms: number) => Promise.resolve(void (nowMs += ms)),
    now: () => nowMs,
  };
}

Deno.test("each path is asked, and told apart by answers and round trips", async () => {
  const { engine, pause } = setUp({
    near: (number) => 10 + number,
    lossy: (number) => number % 2 === 0 ? 30 : null,
    far: () => 450,
    dead: () => null,
  });
  const results = await pingPaths(engine, 7, { count: 4, pause });
  deepEqual(results.map(({ name, sent, answered, loss }) => [name, sent, answered, loss]), [
    ["near", 4, 4, 0],
    ["lossy", 4, 2, 0.5],
    ["far", 4, 4, 0],
    ["dead", 4, 0, 1],
  ]);
  deepEqual(
    results.map(({ rttMinMs, rttMeanMs, rttMaxMs }) => [rttMinMs, rttMeanMs, rttMaxMs]),
    [[10, 11.5, 13], [30, 30, 30], [450, 450, 450], [null, null, null]],
  );
});

Deno.test("answers that never come are waited for a second at most, and those that came not at all", async () => {
  const dead = setUp({ dead: () => null });
  await pingPaths(dead.engine, 7, { count: 1, pause: dead.pause });
  equal(dead.now(), 1200);
  const near = setUp({ near: () => 1 });
  await pingPaths(near.engine, 7, { count: 1, pause: near.pause });
  equal(near.now(), 200);
});

Deno.test("a session that is not there has no paths", async () => {
  const engine = { report: () => Promise.resolve([]), probePaths: () => {} };
  deepEqual(await pingPaths(engine, 7, { count: 1, pause: () => Promise.resolve() }), []);
});
