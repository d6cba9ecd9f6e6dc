import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { setUpLogging } from "../../lib/cli/log.ts";
import { FakeRunner } from "../../testing/fake_runner.ts";
import type { EngineSession } from "../../lib/net/engine.ts";
import { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { TestDirectory } from "../../lib/host/journal/test_directory.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { createTestPki, GRANT, startServer, type TestPki } from "../control/test_server.ts";
import { ControlError } from "../control/control_error.ts";
import { parseClientOptions } from "../config/options.ts";
import { BondedClient, type BondedClientParts } from "./bonded_client.ts";
import type { LinkSet } from "./link_set.ts";
import { LiveSession } from "./live_session.ts";
import { Protection } from "./protection.ts";

const KEY_LENGTH = 32;

/** What a session leads to in the fake engine: a path that answers, or none. */
type Answering = "up" | "silent";

interface TestClient {
  readonly client: BondedClient;
  readonly session: LiveSession;
  /** `open 7`, `close 7`. */
  readonly log: string[];
  answering: Answering;
}

/** A client whose server, of the first session 1, is on this machine: no routes, and no links. */
async function makeClient(
  directory: TestDirectory,
  pki: TestPki,
  port: number,
): Promise<TestClient> {
  const parsed = parseClientOptions(["-b", "-server", "localhost"], "/root");
  ok(parsed.command === "bond");
  const runner = new FakeRunner().on("ip", "");
  const journal = await HostJournal.open({
    ...{ program: "t", runner, directory: directory.path },
    sysctl: { read: () => Promise.resolve(null), write: () => Promise.resolve() },
  });
  const session = new LiveSession();
  const made = { session, log: [] as string[], answering: "up" as Answering };
  const opened = (id: number) => {
    if (made.answering === "silent") return;
    const path = { kind: "path changed", session: id, path: 0, name: "a", peer: "" } as const;
    setTimeout(() => session.note({ ...path, state: "up" }));
  };
  const engine = {
    openSession: ({ id }: EngineSession) => {
      made.log.push(`open ${id}`);
      opened(id);
    },
    closeSession: (id: number) => void made.log.push(`close ${id}`),
  };
  const links = {
    ...{ ways: () => [], usable: () => [], outerMtus: () => [], setPort: () => {} },
    refresh: () => Promise.resolve(false),
    describeUnusable: () => "",
  };
  const grant: ControlGrant = {
    kind: "grant",
    ...{ sessionId: 1, sessionKey: new Uint8Array(KEY_LENGTH), udpPort: 8000 },
    ...{ clientIp: "10.8.0.2", clientIp6: "fd00:8::2", features: [], mtu: null },
  };
  const end = { address: "127.0.0.1", family: 4, host: "localhost", routes: null } as const;
  const client = new BondedClient({
    options: parsed.options,
    engine: engine as unknown as BondedClientParts["engine"],
    journal,
    session,
    connected: {
      target: { port, credentials: pki.alice, features: [], acceptsV1: false },
      links: links as unknown as LinkSet,
      end,
      grant,
    },
    protection: new Protection(journal, parsed.options),
  });
  return Object.assign(made, { client });
}

Deno.test("BondedClient.start() ends at once when it is stopped before a path answers", async () => {
  await using directory = await TestDirectory.create();
  await using pki = await createTestPki();
  const made = await makeClient(directory, pki, 1);
  made.answering = "silent";
  const stop = new AbortController();
  const started = made.client.start(stop.signal);
  stop.abort();
  await started;
  deepEqual(made.log, ["open 1"]);
});

Deno.test("BondedClient.keepAlive() asks for a new session when the server has ended the one", async () => {
  await using directory = await TestDirectory.create();
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  const made = await makeClient(directory, pki, server.port);
  const stop = new AbortController();
  await made.client.start(stop.signal);
  const kept = made.client.keepAlive(stop.signal);
  made.session.note({ kind: "bye", session: 1 });
  while (!made.session.isPathUp(0)) await new Promise((resolve) => setTimeout(resolve, 5));
  deepEqual([made.log, made.session.id], [["open 1", "close 1", "open 7"], 7]);
  stop.abort();
  await kept;
});

Deno.test("BondedClient.keepAlive() says once what a session that is ended again and again means", async () => {
  await using directory = await TestDirectory.create();
  await using pki = await createTestPki();
  await using server = await startServer(pki, JSON.stringify(GRANT));
  const made = await makeClient(directory, pki, server.port);
  const stop = new AbortController();
  await made.client.start(stop.signal);
  const lines: string[] = [];
  setUpLogging({ level: "info", format: "text", write: (line) => void lines.push(line) });
  const kept = made.client.keepAlive(stop.signal);
  for (let times = 1; times <= 4; times++) {
    made.session.note({ kind: "bye", session: made.session.id! });
    const connected = () => lines.filter((line) => /connected again/.test(line)).length;
    while (connected() < times) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  stop.abort();
  await kept;
  setUpLogging({ level: "info", format: "text", write() {} });
  const told = lines.filter((line) => /again and again, .*two machines.*cert new NAME/.test(line));
  equal(told.length, 1);
  deepEqual(lines.filter((line) => /no path answers/.test(line)), [], "it was said to be ended");
});

Deno.test("BondedClient.keepAlive() ends with an error that trying again cannot mend", async () => {
  await using directory = await TestDirectory.create();
  await using pki = await createTestPki();
  const refusal = { error: { code: "revoked", message: "ask the operator" } };
  await using server = await startServer(pki, JSON.stringify(refusal));
  const made = await makeClient(directory, pki, server.port);
  const running = new AbortController().signal;
  await made.client.start(running);
  const kept = made.client.keepAlive(running);
  made.session.note({ kind: "bye", session: 1 });
  await rejects(kept, (error) => error instanceof ControlError && error.serverCode === "revoked");
  equal(made.session.isUp, false);
});
