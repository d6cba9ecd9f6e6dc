/**
 * Several servers that share a store, without sockets and clocks: every request, answer and pause waits
 * until the test lets it go on, in an order that the test chooses.
 */
import { ok } from "node:assert/strict";
import type { Revocation } from "../../../lib/pki/revocation_file.ts";
import { TunnelNetwork } from "../../../lib/protocol/wire/tunnel_network.ts";
import type { Lease } from "../../sessions/address_pool.ts";
import { SharedStore } from "./shared_store.ts";
import { UsageCounters } from "./usage_counters.ts";
import { TestCluster, TestLine } from "./test_key_value.ts";

/** Addresses for five clients. */
const NETWORK = new TunnelNetwork("10.8.0.0/29", "fd00:8::/64");
const STEPS_MAX = 20_000;

interface Waiting {
  readonly owner: TestServer;
  readonly go: () => void;
}

export class Fleet {
  readonly cluster = new TestCluster();
  readonly servers: TestServer[] = [];
  readonly #waiting: Waiting[] = [];
  /** 0 to 1: which of what waits goes on next. */
  readonly #chance: () => number;
  nowMs = Date.parse("2026-11-28T12:00:00Z");
  #ids = 0;

  /** `copies`: what each server has given away before it shared a store. */
  constructor(size: number, chance: () => number, copies: readonly (readonly Lease[])[] = []) {
    this.#chance = chance;
    for (let index = 0; index < size; index++) {
      this.servers.push(new TestServer(this, index, copies[index] ?? []));
    }
  }

  newId(): string {
    return (++this.#ids).toString(16).padStart(16, "0");
  }

  wait(owner: TestServer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ owner, go: resolve });
    return promise;
  }

  /** Lets `count` of what waits go on. */
  async step(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      const index = Math.floor(this.#chance() * this.#waiting.length);
      this.#waiting.splice(index, 1)[0]?.go();
      await new Promise((resolve) => setImmediate(resolve));
      this.check();
    }
  }

  /** Lets things go on until `state` holds. */
  async until(what: string, state: () => boolean): Promise<void> {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      if (state()) return;
      await this.step(1);
    }
    throw new Error(`It never came to this: ${what}`);
  }

  /** Servers that reach the store beat every few seconds, so time goes on in small steps. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_800_000) {
      this.nowMs += Math.min(left, 1_800_000);
      for (const server of this.servers) server.endUnheard();
      const fromMs = this.nowMs;
      await this.until(
        "all that reach the store have told of themselves",
        () => this.servers.every((one) => one.isCut || one.reachedAtMs >= fromMs),
      );
    }
  }

  /** No address is given to two clients. */
  check(): void {
    const owners = new Map<string, string>();
    for (const { sessions } of this.servers) {
      for (const [name, { ipv4 }] of sessions) {
        ok((owners.get(ipv4) ?? name) === name, `${ipv4} is ${name}'s and ${owners.get(ipv4)}'s`);
        owners.set(ipv4, name);
      }
    }
  }
}

interface TestSession {
  readonly ipv4: string;
  isHeard: boolean;
}

export class TestServer {
  readonly line: TestLine;
  readonly sessions = new Map<string, TestSession>();
  readonly list: Revocation[] = [];
  readonly #fleet: Fleet;
  readonly #index: number;
  store: SharedStore;
  isCut = false;
  #copy: readonly Lease[];
  #isAgreed = false;
  #cutAtMs = 0;
  readonly #seen = new Map<string, number>();

  constructor(fleet: Fleet, index: number, copy: readonly Lease[]) {
    this.#fleet = fleet;
    this.#copy = copy;
    for (const { name } of copy) this.#seen.set(name, fleet.nowMs);
    this.#index = index;
    this.line = new TestLine(fleet.cluster, () => fleet.wait(this));
    this.store = this.#start();
  }

  get reachedAtMs(): number {
    const { status } = this.store;
    if (status.kind === "file" || !status.isReachable || status.reachedMsAgo === null) return 0;
    return this.#fleet.nowMs - status.reachedMsAgo;
  }

  get problem(): string | null {
    const { status } = this.store;
    return status.kind === "file" ? null : status.problem;
  }

  /** Null when it has a session; else the code of the refusal. */
  async join(name: string): Promise<string | null> {
    const { store } = this;
    const refusal = await store.admit(name);
    if (store !== this.store) return "the server has ended";
    if (refusal !== null) return refusal.code;
    const addresses = store.addresses.lease(name);
    if (addresses === null) return "no address";
    const isHeard = this.sessions.get(name)?.isHeard ?? false;
    this.sessions.set(name, { ipv4: addresses.ipv4, isHeard });
    this.#fleet.check();
    return null;
  }

  hear(name: string): void {
    const session = this.sessions.get(name);
    if (session === undefined) return;
    session.isHeard = true;
    this.#seen.set(name, this.#fleet.nowMs);
    this.store.heard(name);
  }

  leave(name: string): void {
    if (this.sessions.delete(name)) this.store.addresses.release(name);
  }

  /** As the engine does after two minutes. */
  endUnheard(): void {
    for (const [name, { isHeard }] of [...this.sessions]) {
      // A server that is cut off for a day is to be stopped: docs/operations.md.
      const isLost = this.isCut && this.#fleet.nowMs - this.#cutAtMs > 22 * 3_600_000;
      if (!isHeard || isLost) this.leave(name);
      else this.#seen.set(name, this.#fleet.nowMs);
    }
  }

  revoke(serial: string): void {
    const at = new Date(this.#fleet.nowMs);
    const notAfter = new Date(this.#fleet.nowMs + 365 * 86_400_000);
    if (!this.list.some((one) => one.serial === serial)) {
      this.list.push({ serial, commonName: serial, revokedAt: at, notAfter });
    }
    this.store.revocationsChanged();
  }

  isRevoked(serial: string): boolean {
    return this.list.some((one) => one.serial === serial) || this.store.isRevoked(serial);
  }

  cut(): void {
    if (!this.isCut) this.#cutAtMs = this.#fleet.nowMs;
    this.isCut = true;
    this.line.cut();
  }

  mend(): void {
    this.isCut = false;
    this.line.mend();
  }

  /** It ends as by kill -9, and starts again with what was in its files. */
  async restart(): Promise<void> {
    this.#copy = this.store.addresses.leases;
    const before = this.store;
    this.sessions.clear();
    const wasCut = this.isCut;
    this.line.cut();
    this.store = this.#start();
    await this.end(before);
    if (!wasCut) this.line.mend();
  }

  /** Lets what a store still waits for go on, until it has ended. */
  async end(store = this.store): Promise<void> {
    let isEnded = false;
    const ended = store[Symbol.asyncDispose]().then(() => isEnded = true);
    await this.#fleet.until("a store has ended", () => isEnded);
    await ended;
  }

  #start(): SharedStore {
    const fleet = this.#fleet;
    const seen = new Map(this.#seen);
    const store: SharedStore = new SharedStore({
      network: NETWORK,
      service: this.line,
      serverId: fleet.newId(),
      serverName: `server${this.#index}`,
      version: "test",
      leases: this.#copy,
      areAgreed: this.#isAgreed,
      usedAtMs: (name) => seen.get(name) ?? 0,
      list: { entries: () => [...this.list], problem: null },
      add: (added) => {
        this.list.push(...added);
        return Promise.resolve();
      },
      warn: () => {},
      usage: new UsageCounters({ id: "0".repeat(16), run: "0".repeat(16), clients: new Map() }, ""),
      saveUsage: () => Promise.resolve(true),
      month: () => "2026-11",
      saveCopy: (isAgreed) => {
        this.#isAgreed ||= isAgreed;
      },
      nowMs: () => fleet.nowMs,
      pause: (_ms, signal) => signal.aborted ? Promise.resolve() : fleet.wait(this),
      random: () => 0.5,
    });
    store.follow({
      sessions: () => this.sessions.size,
      end: (name) => {
        // Another run of this server has no say.
        if (this.store === store) this.leave(name);
      },
      endRevoked: () => {
        for (const name of [...this.sessions.keys()]) if (this.isRevoked(name)) this.leave(name);
      },
    });
    return store;
  }
}
