import { deepEqual, equal, match } from "node:assert/strict";
import type { EngineSession, SessionLimits } from "../../lib/net/engine.ts";
import { DEFAULT_TUNING } from "../../lib/protocol/session/session_tuning.ts";
import { SessionRegistry } from "../sessions/session_registry.ts";
import { ClientPolicy } from "./client_policy.ts";
import { type ClientSettings, NO_SETTINGS } from "./client_settings.ts";

/** A registry, an engine that notes what it is told, and settings in memory. */
class Bench {
  readonly settings = new Map<string, ClientSettings>();
  readonly used = new Map<string, number>();
  readonly opened: EngineSession[] = [];
  readonly closed: number[] = [];
  readonly told: { id: number; limits: SessionLimits }[] = [];
  readonly lines: string[] = [];
  now = new Date(2026, 10, 28, 12);
  readonly registry: SessionRegistry;
  readonly policy: ClientPolicy;
  #changed: (names: readonly string[]) => void = () => {};

  constructor(settings: Record<string, Partial<ClientSettings>> = {}) {
    const engine = {
      features: ["x1"],
      openSession: (session: EngineSession) => void this.opened.push(session),
      closeSession: (id: number) => void this.closed.push(id),
      setLimits: (id: number, limits: SessionLimits) => void this.told.push({ id, limits }),
    };
    this.registry = new SessionRegistry({
      ...{ engine, udpPort: 8000, mtu: 1400, tuning: DEFAULT_TUNING },
      ...{ reorderBufferSize: 128, reorderFlushTimeoutMs: 50 },
      random: (into) => crypto.getRandomValues(into),
    });
    for (const [name, own] of Object.entries(settings)) {
      this.settings.set(name, { ...NO_SETTINGS, ...own });
    }
    this.policy = this.registry.policy = new ClientPolicy({
      ...{ engine, registry: this.registry, now: () => this.now },
      store: {
        get: (name) => this.settings.get(name) ?? NO_SETTINGS,
        list: () => this.settings,
        watch: (changed) => {
          this.#changed = changed;
          return { [Symbol.dispose]: () => {} };
        },
      },
      usage: {
        add: (name, bytes) => void this.used.set(name, (this.used.get(name) ?? 0) + bytes),
        bytesOf: (name) => this.used.get(name) ?? 0,
      },
      say: (line) => void this.lines.push(line),
      warn: (line) => void this.lines.push(line),
    });
  }

  set(settings: Record<string, Partial<ClientSettings>>): void {
    for (const [name, own] of Object.entries(settings)) {
      this.settings.set(name, { ...NO_SETTINGS, ...own });
    }
    this.#changed(Object.keys(settings));
  }

  grant(commonName: string) {
    return this.registry.grant({ commonName, serialHex: "01", notAfterMs: Infinity, features: [] });
  }

  carry(name: string, bytes: number): void {
    this.policy.carried({ kind: "volume", session: 1, name, bytes });
  }
}

Deno.test("a session is opened with the limits of its client, and told of new ones", () => {
  const bench = new Bench({ laptop: { rate: { down: 2e6, up: 1e6 }, reach: ["10.1.0.0/16"] } });
  bench.grant("laptop");
  bench.grant("phone");
  const limits = { rateDown: 2e6, rateUp: 1e6, reach: ["10.1.0.0/16"], routes: [] };
  deepEqual(bench.opened[0]!.limits, { ...limits, volumeLeft: null });
  equal(bench.opened[1]!.limits, undefined);
  bench.set({ phone: { quotaBytes: 1e9 } });
  deepEqual(bench.told.map(({ id }) => id), [bench.opened[1]!.id]);
  equal(bench.told[0]!.limits.volumeLeft, 1e9);
  bench.set({ laptop: {} });
  equal(bench.told.at(-1)!.limits.rateDown, null);
});

Deno.test("a client is let in up to and with its last day, and its session ends with it", () => {
  const bench = new Bench({ laptop: { expires: "2026-11-28" } });
  equal(bench.grant("laptop").kind, "grant");
  bench.policy.look();
  equal(bench.closed.length, 0);
  bench.now = new Date(2026, 10, 29);
  bench.policy.look();
  deepEqual(bench.closed, [bench.opened[0]!.id]);
  match(
    bench.lines.join(),
    /session of laptop ended: the access of laptop has ended with 2026-11-28/,
  );
  const refused = bench.grant("laptop");
  equal(refused.kind === "refusal" && refused.code, "access_expired");
  bench.set({ laptop: { expires: "2026-12-31" } });
  equal(bench.grant("laptop").kind, "grant");
});

Deno.test("a day that is over ends the session at once", () => {
  const bench = new Bench();
  bench.grant("laptop");
  bench.set({ laptop: { expires: "2026-11-27" } });
  deepEqual(bench.closed, [bench.opened[0]!.id]);
});

Deno.test("a quota that is used up ends the session, until the month is over or it is raised", () => {
  const bench = new Bench({ laptop: { quotaBytes: 1e9 } });
  bench.used.set("laptop", 4e8);
  bench.grant("laptop");
  equal(bench.opened[0]!.limits!.volumeLeft, 6e8);
  bench.carry("laptop", 3e8);
  deepEqual([bench.closed.length, bench.told.length], [0, 0]);
  bench.carry("laptop", 3e8);
  deepEqual(bench.closed, [bench.opened[0]!.id]);
  const refused = bench.grant("laptop");
  equal(refused.kind === "refusal" && refused.code, "quota_used_up");
  match(
    refused.kind === "refusal" ? refused.message : "",
    /used up its 1\.0+ GB of this month: it is let in again on 2026-12-01, or when the operator/,
  );
  deepEqual(bench.policy.prescribed("laptop")?.usedBytes, 1e9);
  bench.set({ laptop: { quotaBytes: 2e9 } });
  equal(bench.grant("laptop").kind, "grant");
  // A new month: the engine was told of less than there is.
  bench.used.set("laptop", 0);
  bench.carry("laptop", 1e9);
  equal(bench.told.at(-1)!.limits.volumeLeft, 1e9);
});

Deno.test("an address is kept for its client, and who has it has to leave", () => {
  const bench = new Bench({ cam: { address: "10.8.0.77" } });
  const granted = bench.grant("cam");
  equal(granted.kind === "grant" && granted.clientIp, "10.8.0.77");
  bench.grant("first");
  bench.grant("second");
  bench.set({ cam: { address: "10.8.0.2" }, second: { address: "10.8.0.77" } });
  deepEqual(bench.closed.toSorted(), bench.opened.map(({ id }) => id).toSorted());
  const addresses = ["cam", "first", "second"].map((name) => {
    const again = bench.grant(name);
    return again.kind === "grant" && again.clientIp;
  });
  deepEqual(addresses, ["10.8.0.2", "10.8.0.4", "10.8.0.77"]);
  match(bench.lines.join("\n"), /session of first ended: 10\.8\.0\.2 is for cam/);
  bench.set({ cam: {}, second: { address: "10.8.0.2" } });
  const moved = bench.grant("second");
  equal(moved.kind === "grant" && moved.clientIp, "10.8.0.2");
});

Deno.test("an address that no client can have is told, and the client gets another", () => {
  const bench = new Bench({ cam: { address: "10.9.0.2" }, tv: { address: "10.8.0.1" } });
  match(
    bench.lines[0]!,
    /cam does not get 10\.9\.0\.2: it is no address of a client in 10\.8\.0\.0\/24/,
  );
  match(bench.lines[1]!, /tv does not get 10\.8\.0\.1/);
  equal(bench.grant("cam").kind, "grant");
});

Deno.test("a session has the networks behind its client that lead to it, and ends with a change", () => {
  const routes = ["192.168.7.0/24", "fd12::/48"];
  const bench = new Bench({ branch: { routes } });
  bench.grant("branch");
  deepEqual(bench.opened[0]!.limits!.routes, [], "nothing leads there yet");
  bench.policy.useRoutes(new Set(routes));
  deepEqual(bench.closed, [bench.opened[0]!.id]);
  const granted = bench.grant("branch");
  deepEqual(bench.opened[1]!.limits!.routes, routes);
  deepEqual(granted.kind === "grant" && granted.routes, routes);
  bench.policy.useRoutes(new Set([...routes, "10.1.0.0/16"]));
  bench.set({ branch: { routes, expires: "2027-01-31" } });
  equal(bench.closed.length, 1, "the same networks");
  deepEqual(bench.told.at(-1)!.limits.routes, routes);
  bench.policy.useRoutes(new Set(["fd12::/48"]));
  equal(bench.closed.length, 2);
  bench.grant("branch");
  deepEqual(bench.opened[2]!.limits!.routes, ["fd12::/48"]);
  bench.set({ branch: {} });
  equal(bench.closed.length, 3, "it may not send in their name any more");
  match(bench.lines.join(), /session of branch ended: the networks behind it are other ones/);
});
