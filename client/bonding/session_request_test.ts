import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { setUpLogging } from "../../lib/cli/log.ts";
import { CommandError } from "../../lib/host/command/runner.ts";
import type { ServerRoutes } from "../../lib/host/routes/server_routes.ts";
import { TestAuthority } from "../../tests/support/test_certificates.ts";
import { ControlError } from "../control/control_error.ts";
import {
  createTestPki,
  GRANT,
  startServer,
  startTcpServer,
  startTlsServer,
  type TestPki,
} from "../control/test_server.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import { type ControlRoute, SessionRequests } from "./session_request.ts";

const RUNNING = new AbortController().signal;

/** An address on this machine whose routes note what is done to them; link a has just gone. */
function makeEndpoint(log: string[], address = "127.0.0.1"): ServerEndpoint {
  const note = (what: string) => Promise.resolve(log.push(what));
  const routes = {
    ensure: ({ device }: { device: string }) => note(`ensure ${device}`),
    remove: (device: string) => note(`remove ${device}`),
    prefer: (device: string) => {
      log.push(device);
      return device === "a"
        ? Promise.reject(new CommandError(["ip", "route", "add"], 2, "Cannot find device a"))
        : Promise.resolve(true);
    },
  } as unknown as ServerRoutes;
  return { address, family: address.includes(":") ? 6 : 4, host: "localhost", routes };
}

const over = (link: string, endpoint: ServerEndpoint, isInUse = true): ControlRoute => ({
  ...{ link, endpoint, isInUse, isKept: false },
  nextHop: { device: link, gateway: undefined },
});

const requestsTo = (port: number, pki: TestPki) =>
  new SessionRequests({ port, credentials: pki.alice, features: ["x1"], acceptsV1: false });

Deno.test("SessionRequests asks over the next link when one is gone before it is asked", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  const log: string[] = [];
  const endpoint = makeEndpoint(log);
  const routes = ["a", "b", "c"].map((link) => over(link, endpoint));
  const granted = await requestsTo(server.port, pki).request(routes, RUNNING);
  deepEqual([granted.grant.sessionId, granted.endpoint], [GRANT.session_id, endpoint]);
  deepEqual(log, ["a", "b"]);
});

Deno.test("SessionRequests says why no link could be asked over, and that it may pass", async () => {
  await using pki = await createTestPki();
  await rejects(
    requestsTo(1, pki).request([over("a", makeEndpoint([]))], RUNNING),
    (error) =>
      error instanceof ControlError && error.retryable &&
      /^Cannot ask the server over a: .*Cannot find device a/.test(error.message),
  );
});

/** Whoever answers at ::1 is another server, with a certificate of another authority. */
async function startImpostor(pki: TestPki, authority: TestAuthority, port: number) {
  const options = { certificate: await authority.issueServer("server"), host: "::1", port };
  return startTlsServer({ ...options, clientAuthority: pki.authority }, () => {});
}

Deno.test("SessionRequests: whom a link cannot trust is passed over, and told of once", async () => {
  await using pki = await createTestPki();
  await using authority = await TestAuthority.create();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  await using _impostor = await startImpostor(pki, authority, server.port);
  const lines: string[] = [];
  setUpLogging({ level: "info", format: "text", write: (line) => void lines.push(line) });
  const requests = requestsTo(server.port, pki);
  const routes = [
    ...["b", "d"].map((link) => over(link, makeEndpoint([], "::1"))),
    over("c", makeEndpoint([])),
  ];
  for (let times = 0; times < 2; times++) {
    equal((await requests.request(routes, RUNNING)).grant.sessionId, GRANT.session_id);
  }
  setUpLogging({ level: "info", format: "text", write() {} });
  equal(lines.length, 2);
  match(lines[0]!, /over link b: Cannot trust the server at localhost .* the other links/);
  match(lines[1]!, /over link d: the same$/m);
});

Deno.test("SessionRequests: a link that may mend outweighs one that nobody can be trusted on", async () => {
  await using pki = await createTestPki();
  await using authority = await TestAuthority.create();
  await using dead = await startTcpServer((socket) => socket.destroy());
  await using _impostor = await startImpostor(pki, authority, dead.port);
  const untrusted = over("b", makeEndpoint([], "::1"));
  const mute = over("c", makeEndpoint([]));
  const codeOf = (routes: ControlRoute[]) =>
    requestsTo(dead.port, pki).request(routes, RUNNING).then(() => "", (error) => error.code);
  equal(await codeOf([untrusted, mute]), "connection lost");
  equal(await codeOf([mute, untrusted]), "connection lost");
  equal(await codeOf([untrusted]), "server certificate of another authority");
});

Deno.test("SessionRequests: what the server itself refuses for good ends the asking", async () => {
  await using pki = await createTestPki();
  const refusal = { error: { code: "revoked", message: "ask the operator" } };
  await using server = await startServer(pki, JSON.stringify(refusal));
  const log: string[] = [];
  const endpoint = makeEndpoint(log);
  const asked = requestsTo(server.port, pki)
    .request([over("b", endpoint), over("c", endpoint)], RUNNING);
  await rejects(asked, (error) => error instanceof ControlError && error.isFinal);
  deepEqual(log, ["b"]);
});

Deno.test("SessionRequests has a route to an address for as long as it is asked or used", async () => {
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  const log: string[] = [];
  const [other, used] = [makeEndpoint(log, "127.0.0.7"), makeEndpoint(log)];
  await requestsTo(server.port, pki).request(
    [over("b", { ...other, host: "127.0.0.7" }, false), over("c", used, false)],
    RUNNING,
  );
  deepEqual(log, ["ensure b", "b", "remove b", "ensure c", "c"]);
});

Deno.test("SessionRequests leaves a route whose link has begun to use it while it asked", async () => {
  await using pki = await createTestPki();
  await using dead = await startTcpServer((socket) => socket.destroy());
  const log: string[] = [];
  const route: ControlRoute = {
    ...over("b", makeEndpoint(log)),
    get isInUse() {
      return log.includes("b");
    },
  };
  await rejects(requestsTo(dead.port, pki).request([route], RUNNING), ControlError);
  deepEqual(log, ["ensure b", "b"]);
});
