import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { setUpLogging } from "../../lib/cli/log.ts";
import { FakeRunner } from "../../testing/fake_runner.ts";
import type { EngineSession } from "../../lib/net/engine.ts";
import { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { TestDirectory } from "../../lib/host/journal/test_directory.ts";
import { ControlError } from "../control/control_error.ts";
import { type BondOptions, parseClientOptions } from "../config/options.ts";
import { ConnectProgress } from "./connect_progress.ts";
import { BondedClient, type BondedClientParts } from "./bonded_client.ts";
import type { LinkSet } from "./link_set.ts";
import { LiveSession } from "./live_session.ts";
import { Protection } from "./protection.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import { ServerChoice } from "./servers/server_choice.ts";
import type { ServerPool } from "./servers/server_pool.ts";
import type { Granted, SessionRequests } from "./session_request.ts";
import { until } from "../../testing/until.ts";

const KEY_LENGTH = 32;
const END: ServerEndpoint = { address: "127.0.0.1", family: 4, host: "localhost", routes: null };
const UNREACHABLE = new ControlError("unreachable", "Cannot reach it", { retryable: true });
const UNTRUSTED = new ControlError("server certificate of another name", "Cannot trust it", {
  retryable: false,
});
const REVOKED = new ControlError("refused by the server", "The server refuses: revoked", {
  ...{ retryable: false, serverCode: "revoked" },
});

interface TestClient {
  readonly client: BondedClient;
  readonly session: LiveSession;
  readonly runner: FakeRunner;
  /** `ask`, `open 1`, `close 1`. */
  readonly log: string[];
  /** What the server says, one after the other; sessions 1, 2, ... when there is nothing left. */
  readonly refusals: ControlError[];
  /** Sessions of which no path answers. */
  readonly silent: Set<number>;
  /** What comes in the way once a session is granted, one after the other. */
  readonly obstacles: Error[];
  /** This machine's inside the tunnel, as of the next grant. */
  clientIp: string;
  prefix4: number;
  /** That the engine was told of last. */
  server: EngineSession["server"];
  lookUps: number;
  isDnsSilent: boolean;
  /** What DNS finds next. */
  found: ServerEndpoint[];
  /** Names of links that lead to the server. */
  readonly usable: string[];
}

/** A client whose server is on this machine: no routes, and no links. */
async function makeClient(
  directory: TestDirectory,
  change: Partial<BondOptions> = {},
): Promise<TestClient> {
  const parsed = parseClientOptions(["-b", "-server", "localhost"], "/root");
  ok(parsed.command === "bond");
  const options = { ...parsed.options, ...change };
  const runner = new FakeRunner().on("ip", "").on("nft", "");
  const journal = await HostJournal.open({
    ...{ program: "t", runner, directory: directory.path },
    sysctl: { read: () => Promise.resolve(null), write: () => Promise.resolve() },
  });
  const session = new LiveSession();
  const log: string[] = [];
  const silent = new Set<number>();
  const refusals: ControlError[] = [];
  const obstacles: Error[] = [];
  const found: ServerEndpoint[] = [];
  const made = {
    session,
    log,
    silent,
    refusals,
    obstacles,
    found,
    runner,
    clientIp: "10.8.0.2",
    prefix4: 24,
    server: undefined as EngineSession["server"],
    usable: [] as string[],
    lookUps: 0,
    isDnsSilent: false,
  };
  const engine = {
    openSession: ({ id, server }: EngineSession) => {
      log.push(`open ${id}`);
      made.server = server;
      if (silent.has(id)) return;
      const path = { kind: "path changed", session: id, path: 0, name: "a", peer: "" } as const;
      setTimeout(() => session.note({ ...path, state: "up" }));
    },
    closeSession: (id: number) => void log.push(`close ${id}`),
  };
  const links = {
    ...{ names: [], devices: [], problems: new Map(), outerMtus: () => [] },
    usable: () => made.usable.map((name, id) => ({ id, name, endpoint: END })),
    serverAddresses: "127.0.0.1",
    ...{ begin: () => {}, forget: () => {}, controlRoutes: () => [{}] },
    ...{ refresh: () => Promise.resolve(false), settled: () => Promise.resolve() },
    describeUnusable: () => "",
    ...{ answering: () => new Set(), linkIdOf: (id: number) => id },
    transportOf: () => ({ transport: "udp", reason: null }),
  };
  const choice = new ServerChoice(1, "order");
  const endpoints = {
    ...{ all: [END], data: [END], both: [END], size: 1, used: 0, choice },
    ...{ indexOf: () => 0, use: () => {}, nameOf: () => "localhost", plan: () => [0] },
    useForData: () => {
      const obstacle = obstacles.shift();
      return obstacle === undefined ? Promise.resolve() : Promise.reject(obstacle);
    },
    lookUp: (signal: AbortSignal) => {
      made.lookUps++;
      if (made.isDnsSilent) {
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      }
      return Promise.resolve(made.found.splice(0));
    },
  };
  let granted = 0;
  const requests = {
    request: (): Promise<Granted> => {
      log.push("ask");
      const refusal = refusals.shift();
      if (refusal !== undefined) return Promise.reject(refusal);
      const grant = {
        kind: "grant" as const,
        ...{
          sessionId: ++granted,
          sessionKey: new Uint8Array(KEY_LENGTH),
          udpPort: 8000,
          udpHosts: [],
        },
        ...{
          clientIp: made.clientIp,
          clientIp6: "fd00:8::2",
          prefix4: made.prefix4,
          prefix6: 64,
          features: [],
          mtu: null,
        },
      };
      return Promise.resolve({ grant, endpoint: END });
    },
  };
  const client = new BondedClient({
    progress: new ConnectProgress(),
    options,
    engine: engine as unknown as BondedClientParts["engine"],
    journal,
    session,
    links: links as unknown as LinkSet,
    endpoints: endpoints as unknown as ServerPool,
    requests: requests as unknown as SessionRequests,
    protection: new Protection(journal, options),
    hasCompany: false,
  });
  return Object.assign(made, { client });
}

/** The lines of the log while `run` does its work. */
async function linesOf(
  run: (lines: readonly string[]) => Promise<void>,
  level: "debug" | "info" = "info",
): Promise<string[]> {
  const lines: string[] = [];
  setUpLogging({ level, format: "text", write: (line) => void lines.push(line) });
  try {
    await run(lines);
  } finally {
    setUpLogging({ level: "info", format: "text", write() {} });
  }
  return lines;
}

Deno.test("BondedClient.start() ends at once when it is stopped before a path answers", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  made.silent.add(1);
  const stop = new AbortController();
  const started = made.client.start(stop.signal);
  await until("a session is opened", () => made.log.includes("open 1"));
  stop.abort();
  await started;
  deepEqual(made.log, ["ask", "open 1", "close 1"]);
});

Deno.test("BondedClient.start() tries again until there is a session, and says each reason once", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  made.usable.push("fiber", "dsl");
  made.refusals.push(UNREACHABLE, UNREACHABLE);
  const failures = (lines: readonly string[]) =>
    lines.filter((line) => /cannot connect yet, trying again: .*Cannot reach it/.test(line));
  const lines = await linesOf(async (lines) => {
    const started = made.client.start(new AbortController().signal);
    for (let failed = 1; failed <= 2; failed++) {
      await until("it has failed", () => failures(lines).length === failed);
      made.session.nudge();
    }
    await started;
  }, "debug");
  equal(made.session.id, 1);
  const [first] = lines.filter((line) => /connecting to/.test(line));
  match(first!, /connecting to localhost:8443 over fiber, dsl$/m);
  equal(lines.filter((line) => /connecting to/.test(line)).length, 1);
  deepEqual(failures(lines).map((line) => /warning|debug/.exec(line)?.[0]), ["warning", "debug"]);
  match(lines.at(-1)!, /fluxify-client is up: 10\.8\.0\.2 and fd00:8::2 over /);
});

Deno.test("BondedClient tells the engine where the server is inside the tunnel", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  Object.assign(made, { clientIp: "10.8.0.18", prefix4: 28 });
  await made.client.start(new AbortController().signal);
  deepEqual(made.server, { ipv4: "10.8.0.17", ipv6: "fd00:8::1" });
});

Deno.test("BondedClient.start() ends with what trying again cannot mend", async () => {
  await using directory = await TestDirectory.create();
  for (const refusal of [UNTRUSTED, REVOKED]) {
    const made = await makeClient(directory);
    made.refusals.push(refusal);
    await rejects(made.client.start(new AbortController().signal), refusal);
  }
});

Deno.test("BondedClient.start() ends with any failure when it is to try once", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory, { once: true });
  made.refusals.push(UNREACHABLE);
  await rejects(made.client.start(new AbortController().signal), UNREACHABLE);
});

Deno.test("BondedClient.start() has the server looked up again when nobody answers", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  made.refusals.push(UNREACHABLE);
  made.found = [{ ...END, address: "203.0.113.77" }];
  const lines = await linesOf(() => made.client.start(new AbortController().signal));
  ok(lines.some((line) => /the server has another address: 203\.0\.113\.77/.test(line)));
  deepEqual([made.log, made.lookUps], [["ask", "ask", "open 1"], 1]);
});

Deno.test("BondedClient.end() does not wait for DNS that is silent", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  made.isDnsSilent = true;
  await made.client.start(new AbortController().signal);
  equal(made.lookUps, 1);
  let hasEnded = false;
  made.client.end().then(() => hasEnded = true);
  await until("it has ended", () => hasEnded);
});

Deno.test("BondedClient.keepAlive() asks for a new session when the server has ended the one", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  const stop = new AbortController();
  await made.client.start(stop.signal);
  const kept = made.client.keepAlive(stop.signal);
  made.session.note({ kind: "bye", session: 1 });
  await until("a path is up", () => made.session.isPathUp(0));
  deepEqual([made.log, made.session.id], [["ask", "open 1", "ask", "close 1", "open 2"], 2]);
  stop.abort();
  await kept;
});

Deno.test("BondedClient.keepAlive() says once what a session that is ended again and again means", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  const stop = new AbortController();
  await made.client.start(stop.signal);
  const lines = await linesOf(async (lines) => {
    const kept = made.client.keepAlive(stop.signal);
    for (let times = 1; times <= 4; times++) {
      made.session.note({ kind: "bye", session: made.session.id! });
      await until(
        "a line says so",
        () => lines.filter((line) => /connected again/.test(line)).length >= times,
      );
    }
    stop.abort();
    await kept;
  });
  const told = lines.filter((line) => /again and again, .*two machines.*cert new NAME/.test(line));
  equal(told.length, 1);
  deepEqual(lines.filter((line) => /no path answers/.test(line)), [], "it was said to be ended");
});

Deno.test("BondedClient.keepAlive() ends a lost session for good when the server refuses another", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  const running = new AbortController().signal;
  await made.client.start(running);
  made.refusals.push(REVOKED);
  const kept = made.client.keepAlive(running);
  made.session.note({ kind: "bye", session: 1 });
  await rejects(kept, REVOKED);
  equal(made.session.isUp, false);
});

Deno.test("BondedClient.keepAlive() goes on when somebody else answers for the server", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  const stop = new AbortController();
  await made.client.start(stop.signal);
  made.refusals.push(UNTRUSTED);
  await linesOf(async (lines) => {
    const kept = made.client.keepAlive(stop.signal);
    made.session.note({ kind: "bye", session: 1 });
    await until(
      "a line says so",
      () => lines.some((line) => /cannot connect yet, trying again.*Cannot trust/.test(line)),
    );
    made.session.nudge();
    await until("there is another session", () => made.session.id === 2);
    stop.abort();
    await kept;
  });
});

Deno.test("BondedClient.keepAlive() leaves a session alone whose renewal fails, for whatever reason", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory, { renewEveryMs: 10 });
  const stop = new AbortController();
  await made.client.start(stop.signal);
  made.refusals.push(REVOKED);
  const lines = await linesOf(async (lines) => {
    const kept = made.client.keepAlive(stop.signal);
    await until(
      "a line says so",
      () => lines.some((line) => /cannot renew the session yet; the one in use goes on/.test(line)),
    );
    deepEqual([made.session.id, made.session.isUp], [1, true]);
    await until("a line says so", () => lines.some((line) => /session renewed/.test(line)));
    stop.abort();
    await kept;
  });
  equal(lines.some((line) => /no path answers/.test(line)), false);
  // Until it was renewed, that is: the next renewal may be under way when it is stopped.
  const untilRenewed = made.log.slice(0, made.log.indexOf("open 2") + 1);
  deepEqual(untilRenewed.filter((line) => line.startsWith("close")), []);
  equal(untilRenewed.at(-1), "open 2");
});

Deno.test("BondedClient.keepAlive() leaves nothing of a session that could not be taken into use", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory, { renewEveryMs: 10 });
  const stop = new AbortController();
  await made.client.start(stop.signal);
  made.obstacles.push(new Error("Cannot read the links"));
  await linesOf(async (lines) => {
    const kept = made.client.keepAlive(stop.signal);
    await until(
      "a line says so",
      () => lines.some((line) => /cannot renew the session yet; the one in use goes on/.test(line)),
    );
    deepEqual([made.session.id, made.session.latestId, made.session.isUp], [1, 1, true]);
    stop.abort();
    await kept;
  });
  deepEqual(made.log, ["ask", "open 1", "ask", "open 2", "close 2"]);
});

Deno.test("BondedClient.keepAlive() goes on until the machine takes the addresses of a session", async () => {
  await using directory = await TestDirectory.create();
  const made = await makeClient(directory);
  const stop = new AbortController();
  await made.client.start(stop.signal);
  made.clientIp = "10.8.0.3";
  made.runner.on("ip -4 address replace 10.8.0.3", { code: 2, stderr: "No buffer space" });
  const lines = await linesOf(async (lines) => {
    const kept = made.client.keepAlive(stop.signal);
    made.session.note({ kind: "bye", session: 1 });
    await until(
      "a line says so",
      () => lines.some((line) => /cannot connect yet, trying again.*No buffer/.test(line)),
    );
    made.runner.on("ip -4 address replace 10.8.0.3", "");
    made.session.nudge();
    await until(
      "a line says so",
      () => lines.some((line) => /connected again as 10\.8\.0\.3/.test(line)),
    );
    stop.abort();
    await kept;
  });
  equal(lines.some((line) => /the paths answer again/.test(line)), false);
});
