import { deepEqual, equal, rejects } from "node:assert/strict";
import { CommandError } from "../../lib/host/command/runner.ts";
import type { ServerRoutes } from "../../lib/host/routes/server_routes.ts";
import { ControlError } from "../control/control_error.ts";
import { createTestPki, GRANT, startServer } from "../control/test_server.ts";
import { requestSession } from "./session_request.ts";
import type { ServerEnd } from "./link_set.ts";

const RUNNING = new AbortController().signal;

/** An end on this machine whose routes note over which link it was asked; link a has just gone. */
function makeEnd(asked: string[]): ServerEnd {
  const prefer = (device: string) => {
    asked.push(device);
    return device === "a"
      ? Promise.reject(new CommandError(["ip", "route", "add"], 2, "Cannot find device a"))
      : Promise.resolve(true);
  };
  const routes = { prefer } as unknown as ServerRoutes;
  return { address: "127.0.0.1", family: 4, host: "localhost", routes };
}

Deno.test("requestSession() asks over the next link when one is gone before it is asked", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  const target = { port: server.port, credentials: pki.alice, features: ["x1"], acceptsV1: false };
  const asked: string[] = [];
  const end = makeEnd(asked);
  const ways = ["a", "b", "c"].map((device) => ({ device, end }));
  equal((await requestSession(target, ways, end, RUNNING)).sessionId, GRANT.session_id);
  deepEqual(asked, ["a", "b"]);
});

Deno.test("requestSession() says why no link could be asked over, and that it may pass", async () => {
  await using pki = await createTestPki();
  const end = makeEnd([]);
  await rejects(
    requestSession(
      { port: 1, credentials: pki.alice, features: [], acceptsV1: false },
      [{ device: "a", end }],
      end,
      RUNNING,
    ),
    (error) =>
      error instanceof ControlError && error.retryable &&
      /^Cannot ask the server over a: .*Cannot find device a/.test(error.message),
  );
});
