import { deepEqual, equal } from "node:assert/strict";
import type { ServerEndpoint } from "../server_endpoints.ts";
import type { ControlRoute } from "../session_request.ts";
import { ServerChoice, type ServerFigures, type ServerPolicy } from "./server_choice.ts";
import type { ServerPool } from "./server_pool.ts";
import { ServerWatch } from "./server_watch.ts";

const LATER_MS = 60_000;

/** Two servers, each behind two links, of which the second works. */
function makeWatch(policy: ServerPolicy, answers: (ServerFigures | Error)[], size = 2) {
  const choice = new ServerChoice(size, policy);
  const endpoints = Array.from({ length: size }, (_, index): ServerEndpoint => ({
    ...{ address: `203.0.113.1${index}`, family: 4, host: `server${index}`, routes: null },
  }));
  const asked: string[] = [];
  let renewals = 0;
  const watch = new ServerWatch({
    pool: {
      ...{ choice, size, name: "server0", nameOf: (index: number) => `server${index}` },
      indexOf: (endpoint: ServerEndpoint) => endpoints.indexOf(endpoint),
    } as unknown as ServerPool,
    requests: {
      askStatus: ({ link, endpoint: { host } }) => {
        asked.push(`${host} over ${link}`);
        const answer = answers[Number(host.slice(-1))]!;
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    },
    session: { isUp: true, isPathUp: (id) => id === 1, renewNow: () => void renewals++ },
    links: {
      controlRoutes: () =>
        ["a", "b"].flatMap((link) =>
          endpoints.map((endpoint): ControlRoute => ({
            ...{ link, endpoint, isInUse: true, isKept: true },
            nextHop: { device: link, gateway: undefined },
          }))
        ),
      usable: () => [{ id: 0, name: "a" }, { id: 1, name: "b" }],
    },
  });
  return { watch, choice, asked, renewals: () => renewals };
}

const WELL: ServerFigures = { rttMs: 20, load: 0.1, isDraining: false };

Deno.test("a server that was left is asked over a link that works, and moved to once trusted", async () => {
  const { watch, choice, asked, renewals } = makeWatch("order", [WELL, WELL]);
  const nowMs = performance.now();
  choice.granted(0, nowMs);
  choice.drains(0);
  choice.granted(1, nowMs);
  watch.check(nowMs + LATER_MS);
  await watch.measure();
  await new Promise((resolve) => setTimeout(resolve));
  deepEqual(asked, ["server0 over b"]);
  equal(renewals(), 0);
  watch.check(performance.now() + LATER_MS);
  equal(renewals(), 1);
  deepEqual(choice.plan("renewal", nowMs), [0]);
  await watch.end();
});

Deno.test("the first session waits for the figures of all, those of silent ones, too", async () => {
  const { watch, choice, asked } = makeWatch(
    "nearest",
    [{ ...WELL, rttMs: 90 }, WELL, new Error()],
    3,
  );
  await watch.measure();
  equal(asked.length, 3);
  deepEqual(choice.plan("first", 0), [1, 0, 2]);
  await watch.measure();
  equal(asked.length, 3, "once");
});

Deno.test("a server that is about to stop is left; without another one that is said alone", () => {
  const several = makeWatch("order", [WELL, WELL]);
  several.watch.askedToLeave();
  equal(several.renewals(), 0, "there is no session yet");
  several.choice.granted(0, 0);
  for (let again = 0; again < 3; again++) several.watch.askedToLeave();
  equal(several.renewals(), 1);
  deepEqual(several.choice.plan("renewal", 0), [1, 0]);
  const alone = makeWatch("order", [WELL], 1);
  alone.choice.granted(0, 0);
  alone.watch.askedToLeave();
  equal(alone.renewals(), 0);
});
