import { deepEqual, equal, match } from "node:assert/strict";
import { setUpLogging } from "../lib/cli/log.ts";
import type { EngineEvent } from "../lib/net/engine.ts";
import { DEFAULT_TUNING } from "../lib/protocol/session/session_tuning.ts";
import { handleEngineEvent, logControlEvent, logShared, noteMachine } from "./events.ts";
import { SessionRegistry } from "./sessions/session_registry.ts";
import { SharedCertificates } from "./sessions/shared_certificates.ts";
import { TUN_MTU } from "./tun.ts";

/** What the log says, without the time, when the engine tells `events` of the session of "laptop". */
function linesFor(
  ...events: ((session: number, registry: SessionRegistry) => EngineEvent)[]
): string[] {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.trimEnd().slice(25));
  setUpLogging({ level: "debug", format: "text", write });
  const registry = makeRegistry();
  registry.grant({ commonName: "laptop", serialHex: "01", notAfterMs: Infinity, features: ["x1"] });
  const [session] = registry.sessions;
  for (const event of events) {
    handleEngineEvent(event(session!.id, registry), registry, (error) => lines.push(error.message));
  }
  setUpLogging({ level: "info", format: "text", write() {} });
  return lines;
}

function makeRegistry(): SessionRegistry {
  return new SessionRegistry({
    engine: { features: ["x1"], openSession() {}, closeSession() {} },
    udpPort: 8000,
    mtu: TUN_MTU,
    reorderBufferSize: 128,
    reorderFlushTimeoutMs: 50,
    tuning: DEFAULT_TUNING,
    random: (into) => crypto.getRandomValues(into),
  });
}

/** The session of "laptop" is given to machines at `peers`, one after the other, 11 s apart. */
function giveToMachines(peers: readonly string[], shared: SharedCertificates): void {
  const registry = makeRegistry();
  for (const [index, peer] of peers.entries()) {
    registry.grant({
      commonName: "laptop",
      serialHex: "01",
      notAfterMs: Infinity,
      features: ["x1"],
    });
    const found = shared.given("laptop", peer, index * 11_000);
    if (found !== null) logShared(found);
    const [session] = registry.sessions;
    const path = { path: 0, name: "path 0", state: "up", peer: `${peer}:40000` } as const;
    noteMachine({ kind: "path changed", session: session!.id, ...path }, registry, shared);
  }
}

Deno.test("The end of a session is told once, by whoever ends it", () => {
  const lines = linesFor(
    (session) => ({ kind: "bye", session }),
    (session) => ({ kind: "idle", session }),
    () => ({ kind: "fault", message: "out of order" }),
  );
  equal(lines.length, 2);
  match(lines[0]!, /session of laptop ended: it left/);
  equal(lines[1], "out of order");
});

Deno.test("A session that the engine had to drop is told, and forgotten", () => {
  const lines = linesFor(
    (session) => ({ kind: "session failed", session, message: "out of memory" }),
    (session) => ({ kind: "bye", session }),
  );
  equal(lines.length, 1);
  match(lines[0]!, /session of laptop ended: it cannot go on: out of memory$/);
});

Deno.test("A client that leaves before its newest session is used has left", () => {
  const path = { path: 0, name: "path 0", state: "up", peer: "203.0.113.7:40000" } as const;
  const [, ...lines] = linesFor(
    (session) => ({ kind: "path changed", session, ...path }),
    (session, registry) => {
      registry.grant({
        commonName: "laptop",
        serialHex: "01",
        notAfterMs: Infinity,
        features: ["x1"],
      });
      return { kind: "bye", session };
    },
    (_, registry) => ({ kind: "idle", session: [...registry.sessions][0]!.id }),
  );
  equal(lines.length, 2);
  match(lines[0]!, /session of laptop ended: it left$/);
  match(lines[1]!, /session of laptop ended: nothing came on it for 2 minutes$/);
});

Deno.test("Failed handshakes are told in proper words, be it one or many", () => {
  const lines: string[] = [];
  setUpLogging({ level: "info", format: "text", write: (line) => void lines.push(line) });
  for (const count of [1, 7]) {
    const last = { lastAddress: "192.0.2.1", lastReason: "garbage" };
    logControlEvent({ event: "handshakes failed", count, ...last });
  }
  setUpLogging({ level: "info", format: "text", write() {} });
  match(lines[0]!, /a handshake failed, from 192\.0\.2\.1: garbage/);
  match(lines[1]!, /7 handshakes failed, the last from 192\.0\.2\.1: garbage/);
});

Deno.test("Checks of the port are no news, and a flood of them is", () => {
  const lines: string[] = [];
  setUpLogging({ level: "info", format: "text", write: (line) => void lines.push(line) });
  for (const count of [1, 99, 100]) {
    logControlEvent({ event: "left silently", count, lastAddress: "192.0.2.1" });
  }
  setUpLogging({ level: "info", format: "text", write() {} });
  equal(lines.length, 1);
  match(lines[0]!, /100 connections to the control port were closed .* from 192\.0\.2\.1/);
});

Deno.test("What was kept back is counted in the next line of its kind", () => {
  const lines: string[] = [];
  setUpLogging({ level: "info", format: "text", write: (line) => void lines.push(line.trimEnd()) });
  const peer = { commonName: "laptop", remoteAddress: "192.0.2.1" };
  for (const suppressed of [0, 3]) {
    const granted = { serialHex: "01", clientVersion: "1.0", suppressed };
    logControlEvent({ event: "granted", ...peer, ...granted });
    logControlEvent({ event: "refused", ...peer, code: "revoked", message: "no", suppressed });
    logControlEvent({ event: "failed", what: "accept", reason: "no descriptors", suppressed });
  }
  setUpLogging({ level: "info", format: "text", write() {} });
  deepEqual(
    lines.map((line) => line.slice(25).trimStart().replace(/^(info|warn|warning|error) +/, "")),
    ["", ", and 3 more lately"].flatMap((more) => [
      `session for laptop from 192.0.2.1${more}`,
      `refused 192.0.2.1${more}: no`,
      `control plane: cannot accept: no descriptors${more}`,
    ]),
  );
});

Deno.test("A certificate on two machines is named, with both addresses and what to do", () => {
  const shared = new SharedCertificates();
  const lines: string[] = [];
  const peers = ["203.0.113.7", "198.51.100.9", "203.0.113.7"];
  setUpLogging({ level: "info", format: "text", write: (line) => void lines.push(line) });
  giveToMachines(peers, shared);
  setUpLogging({ level: "info", format: "text", write() {} });
  equal(lines.length, 1);
  match(
    lines[0]!,
    /certificate of laptop is used by two machines at once, from 203\.0\.113\.7 and 198\.51\.100\.9/,
  );
  match(lines[0]!, /"fluxify-server cert new NAME"/);
});

Deno.test("A session that a newer one is to replace keeps its client's name", () => {
  const path = { path: 0, name: "path 0", state: "up", peer: "203.0.113.7:40000" } as const;
  const [line] = linesFor((session, registry) => {
    registry.grant({
      commonName: "laptop",
      serialHex: "01",
      notAfterMs: Infinity,
      features: ["x1"],
    });
    return { kind: "path changed", session, ...path };
  });
  match(line!, /^debug +laptop: path 0 from 203\.0\.113\.7:40000 is up$/);
});
