import { deepEqual, equal, match } from "node:assert/strict";
import { setUpLogging } from "../lib/cli/log.ts";
import type { EngineEvent } from "../lib/net/engine/engine.ts";
import { DEFAULT_TUNING } from "../lib/protocol/session/session_tuning.ts";
import { handleEngineEvent } from "./events.ts";
import { SessionRegistry } from "./sessions/session_registry.ts";
import { TUN_MTU } from "./tun.ts";

/** What the log says, without the time, when the engine tells `events` of the session of "laptop". */
function linesFor(
  ...events: ((session: number, registry: SessionRegistry) => EngineEvent)[]
): string[] {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.trimEnd().slice(25));
  setUpLogging({ level: "debug", format: "text", write });
  const registry = new SessionRegistry({
    engine: { features: ["x1"], openSession() {}, closeSession() {} },
    udpPort: 8000,
    mtu: TUN_MTU,
    reorderBufferSize: 128,
    reorderFlushTimeoutMs: 50,
    tuning: DEFAULT_TUNING,
    random: (into) => crypto.getRandomValues(into),
  });
  registry.grant({ commonName: "laptop", serialHex: "01", features: ["x1"] });
  const [session] = registry.sessions;
  for (const event of events) {
    handleEngineEvent(event(session!.id, registry), registry, (error) => lines.push(error.message));
  }
  setUpLogging({ level: "info", format: "text", write() {} });
  return lines;
}

const pathMtu = (mtu: number, wasBlackhole: boolean) => (session: number): EngineEvent => ({
  kind: "path MTU",
  session,
  path: 3,
  name: "fiber",
  mtu,
  wasBlackhole,
});

Deno.test("A path that carries less than the tunnel is a warning with client, link and size", () => {
  const [small, blackhole, ...more] = linesFor(pathMtu(1280, false), pathMtu(1300, true));
  match(small!, /^warning laptop: fiber carries packets of 1280 bytes at most$/);
  match(blackhole!, /^warning laptop: fiber loses packets of more than 1300 bytes without a word/);
  deepEqual(more, []);
});

Deno.test("A path that carries all the tunnel has to send is for -v only", () => {
  match(linesFor(pathMtu(TUN_MTU, false)).join(), /^debug +laptop: fiber carries .* 1400 bytes$/);
});

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

Deno.test("A session that a newer one is to replace keeps its client's name", () => {
  const path = { path: 0, name: "path 0", state: "up", peer: "203.0.113.7:40000" } as const;
  const [line] = linesFor((session, registry) => {
    registry.grant({ commonName: "laptop", serialHex: "01", features: ["x1"] });
    return { kind: "path changed", session, ...path };
  });
  match(line!, /^debug +laptop: path 0 from 203\.0\.113\.7:40000 is up$/);
});
