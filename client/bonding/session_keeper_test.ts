import { deepEqual, equal, ok } from "node:assert/strict";
import { until } from "../../testing/until.ts";
import { ControlError } from "../control/control_error.ts";
import { LiveSession } from "./live_session.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import { type AskingFor, ServerChoice } from "./servers/server_choice.ts";
import { SessionKeeper } from "./session_keeper.ts";
import type { Granted } from "./session_request.ts";

const REFUSED = new ControlError("connection refused", "Cannot connect", { retryable: true });
const ENDPOINT: ServerEndpoint = { address: "a", family: 4, host: "a", routes: null };

/** Two servers in order; those in `down` grant nothing. */
function makeKeeper() {
  const choice = new ServerChoice(2, "order");
  const session = new LiveSession();
  const down = new Set<number>();
  const asked: string[] = [];
  let sessions = 0;
  const up = (id: number, state: "up" | "down") =>
    session.note({ kind: "path changed", session: id, path: 0, name: "a", peer: "", state });
  const opening = {
    request: (_signal: AbortSignal, what: AskingFor): Promise<Granted> => {
      const nowMs = performance.now();
      const plan = choice.plan(what, nowMs);
      asked.push(`${what} ${plan.join()}`);
      for (const server of plan) if (down.has(server)) choice.failed(server, nowMs);
      const server = plan.find((one) => !down.has(one));
      if (server === undefined) return Promise.reject(REFUSED);
      const grant = { sessionId: ++sessions, server } as unknown as Granted["grant"];
      return Promise.resolve({ grant, endpoint: ENDPOINT });
    },
    open: async ({ grant }: Granted, signal: AbortSignal) => {
      const { sessionId, server } = grant as unknown as { sessionId: number; server: number };
      session.expect(sessionId);
      setTimeout(() => up(sessionId, "up"));
      ok(await session.provenWithin(1000, signal));
      choice.granted(server, performance.now());
    },
  };
  const keeper = new SessionKeeper({
    options: { once: false, renewEveryMs: 3_600_000 },
    ...{ session, opening, addresses: { toString: () => "10.8.0.2" } },
    links: { usable: () => [] },
    endpoints: { choice, size: 2 },
    progress: { fail: () => {} },
  });
  return { keeper, choice, session, down, asked, up };
}

Deno.test("a server that drains is left for another one, while its session goes on", async () => {
  const { keeper, choice, session, asked } = makeKeeper();
  const stop = new AbortController();
  await keeper.connect(stop.signal);
  const kept = keeper.keepAlive(stop.signal);
  choice.drains(0);
  session.renewNow();
  await until("the other one is in use", () => choice.current === 1);
  deepEqual(asked, ["first 0,1", "renewal 1,0"]);
  equal(session.isUp, true);
  stop.abort();
  await kept;
});

Deno.test("where no other one grants a session, the one in use goes on, and is asked for again", async () => {
  const { keeper, choice, session, down, asked } = makeKeeper();
  const stop = new AbortController();
  await keeper.connect(stop.signal);
  const kept = keeper.keepAlive(stop.signal);
  choice.drains(0);
  down.add(0).add(1);
  session.renewNow();
  await until("it was tried", () => asked.length === 2);
  deepEqual([session.isUp, session.id], [true, 1]);
  down.delete(1);
  await until("the other one is in use", () => choice.current === 1);
  stop.abort();
  await kept;
});

Deno.test("a move to a better one that fails is given up, and takes nothing away", async () => {
  const { keeper, choice, session, down, asked, up } = makeKeeper();
  const stop = new AbortController();
  await keeper.connect(stop.signal);
  const kept = keeper.keepAlive(stop.signal);
  down.add(0);
  up(1, "down");
  await until("the other one is in use", () => choice.current === 1);
  deepEqual(asked, ["first 0,1", "lost 1,0"]);
  choice.aimAt(0);
  session.renewNow();
  await until("it is given up", () => choice.aim === null);
  equal(asked.at(-1), "renewal 0");
  session.renewNow();
  await until("the session is renewed where it is", () => session.id === 3);
  equal(asked.at(-1), "renewal 1");
  stop.abort();
  await kept;
});
