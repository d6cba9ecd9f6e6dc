/**
 * Which of several servers the client uses: the nearest, with what they have to do counted in, or the
 * first in the user's order. A server that was lost is gone back to only after it has been well for a
 * while, for twice as long each time, so that nothing flaps. Pure: time is an argument, in ms, and
 * servers are numbers, in the user's order.
 */

import type { ServerStatus } from "../../../lib/status/bond_status.ts";

export const SERVER_POLICIES = ["nearest", "order"] as const;
export type ServerPolicy = typeof SERVER_POLICIES[number];

/** What a session is asked for. */
export type AskingFor =
  /** There is none. */
  | "first"
  /** In the place of one that is lost. */
  | "lost"
  /** In the place of one that works. */
  | "renewal";

export interface ServerFigures {
  /** Of a connection to it. */
  readonly rttMs: number;
  /** What share of it is in use, 0 to 1; null: it does not say. */
  readonly load: number | null;
  readonly isDraining: boolean;
}

type ServerState = Omit<ServerStatus, "name">;

/** How long a server has to be well before the client goes back to it: at first, and at the most. */
export const TRUST_FIRST_MS = 15_000;
export const TRUST_MAX_MS = 30 * 60_000;
/** After so long in use without a loss it is trusted as one that was never lost. */
const FORGIVEN_AFTER_MS = 10 * 60_000;
/** One that failed lately is asked after the others. */
const FAILED_LATELY_MS = 30_000;

/** A nearer server is moved to when it has cost so much less for so long, and no more often than that. */
const NEARER_SHARE = 0.75;
const NEARER_BY_MS = 10;
const NEARER_FOR_MS = 60_000;
const NEARER_EVERY_MS = 5 * 60_000;

/** How often servers are asked how they are: one that is to prove itself, and others. */
const PROBE_SOON_MS = 5000;
const PROBE_MS = 60_000;

interface Known {
  figures: ServerFigures | null;
  /** Since when it has answered without a break, and is not draining; null: it does not. */
  wellSinceMs: number | null;
  /** Since when it has been nearer than the one in use; null: it is not. */
  nearerSinceMs: number | null;
  isDraining: boolean;
  isSilent: boolean;
  failedMs: number;
  trustMs: number;
  /** When it is asked again, and after how long the next time. */
  probeAtMs: number;
  probeEveryMs: number;
}

export class ServerChoice {
  readonly #policy: ServerPolicy;
  readonly #servers: readonly Known[];
  #current: number | null = null;
  #usedSinceMs = 0;
  #isLost = false;
  #lostMs = -Infinity;
  #aim: number | null = null;

  /** @param count how many servers there are. */
  constructor(count: number, policy: ServerPolicy) {
    this.#policy = policy;
    this.#servers = Array.from({ length: count }, () => ({
      figures: null,
      wellSinceMs: null,
      nearerSinceMs: null,
      isDraining: false,
      isSilent: false,
      failedMs: -Infinity,
      trustMs: TRUST_FIRST_MS,
      probeAtMs: -Infinity,
      probeEveryMs: PROBE_SOON_MS,
    }));
  }

  /** The one in use, or the last that was; null before the first session. */
  get current(): number | null {
    return this.#current;
  }

  /** The one that is moved to because it is better; null: none. */
  get aim(): number | null {
    return this.#aim;
  }

  /** Whether the one in use wants its clients to leave. */
  get mustLeave(): boolean {
    return this.#current !== null && this.#servers[this.#current]!.isDraining;
  }

  /** Whether they should be measured before the first is asked for a session. */
  get needsFigures(): boolean {
    return this.#policy === "nearest" && this.#servers.length > 1 &&
      this.#servers.every(({ figures }) => figures === null);
  }

  /** The servers to ask, the best ones first. */
  plan(what: AskingFor, nowMs: number): number[] {
    const current = this.#current;
    if (what === "renewal" && this.#aim !== null) return [this.#aim];
    // The data plane works: whatever its control plane does, the session stays where it is.
    if (what === "renewal" && current !== null && !this.mustLeave) return [current];
    const rank = (index: number) => {
      const { isDraining, failedMs } = this.#servers[index]!;
      if (isDraining) return 3;
      if (index === current && what === "lost" && !this.#isNetworksFault) return 2;
      return nowMs - failedMs < FAILED_LATELY_MS ? 1 : 0;
    };
    return [...this.#servers.keys()].sort((one, other) =>
      rank(one) - rank(other) || this.#byPolicy(one, other)
    );
  }

  /** Whether others could not be asked either since the session was lost. */
  get #isNetworksFault(): boolean {
    return this.#servers.some(({ failedMs }, index) =>
      index !== this.#current && failedMs >= this.#lostMs
    );
  }

  #byPolicy(one: number, other: number): number {
    if (this.#policy === "order") return one - other;
    const [left, right] = [this.#cost(one), this.#cost(other)];
    return left === right ? one - other : left - right;
  }

  /** In ms: the round trip, up to twice that when it is full. Infinity: not known. */
  #cost(index: number): number {
    const { figures } = this.#servers[index]!;
    return figures === null ? Infinity : figures.rttMs * (1 + (figures.load ?? 0));
  }

  /** A session of that server is in use. */
  granted(index: number, nowMs: number): void {
    const before = this.#current;
    if (before !== null && before !== index) {
      const left = this.#servers[before]!;
      left.wellSinceMs = null;
      left.nearerSinceMs = null;
      left.probeEveryMs = PROBE_SOON_MS;
      left.probeAtMs = nowMs + PROBE_SOON_MS;
      if (this.#isLost && !this.#isNetworksFault) this.#distrust(before, nowMs);
    }
    if (before !== index) this.#usedSinceMs = nowMs;
    this.#current = index;
    this.#isLost = false;
    this.#aim = null;
    const server = this.#servers[index]!;
    server.isSilent = false;
    server.isDraining = false;
    server.failedMs = -Infinity;
    server.wellSinceMs ??= nowMs;
    server.nearerSinceMs = null;
  }

  /** The session in use is lost. Whose fault that is shows when another server grants one. */
  lost(nowMs: number): void {
    const current = this.#current;
    if (current !== null && nowMs - this.#usedSinceMs >= FORGIVEN_AFTER_MS) {
      this.#servers[current]!.trustMs = TRUST_FIRST_MS;
    }
    this.#isLost = true;
    this.#lostMs = nowMs;
    this.#aim = null;
  }

  /** The session in use works again by itself. */
  cameBack(): void {
    this.#isLost = false;
  }

  /** It was asked for a session, and there is none that works. */
  failed(index: number, nowMs: number): void {
    const server = this.#servers[index]!;
    server.failedMs = nowMs;
    server.wellSinceMs = null;
    if (index !== this.#aim) return;
    this.#aim = null;
    this.#distrust(index, nowMs);
  }

  #distrust(index: number, nowMs: number): void {
    const server = this.#servers[index]!;
    server.failedMs = nowMs;
    server.wellSinceMs = null;
    server.trustMs = Math.min(TRUST_MAX_MS, server.trustMs * 2);
  }

  /** It takes no client, and wants those it has to leave. */
  drains(index: number): void {
    const server = this.#servers[index]!;
    server.isDraining = true;
    server.wellSinceMs = null;
  }

  /** It has told how it is. */
  answered(index: number, figures: ServerFigures, nowMs: number): void {
    const server = this.#servers[index]!;
    server.figures = figures;
    server.isSilent = false;
    server.isDraining = figures.isDraining;
    server.wellSinceMs = figures.isDraining ? null : server.wellSinceMs ?? nowMs;
    const isProving = !figures.isDraining && nowMs - server.wellSinceMs! < server.trustMs;
    server.probeEveryMs = isProving ? PROBE_SOON_MS : PROBE_MS;
    server.probeAtMs = nowMs + (figures.isDraining ? PROBE_SOON_MS : server.probeEveryMs);
    server.nearerSinceMs = this.#isNearer(index) ? server.nearerSinceMs ?? nowMs : null;
  }

  /** It was asked how it is, and does not answer. */
  silent(index: number, nowMs: number): void {
    const server = this.#servers[index]!;
    server.isSilent = true;
    server.wellSinceMs = null;
    server.nearerSinceMs = null;
    server.probeAtMs = nowMs + server.probeEveryMs;
    server.probeEveryMs = Math.min(PROBE_MS, server.probeEveryMs * 2);
  }

  #isNearer(index: number): boolean {
    if (this.#current === null || index === this.#current) return false;
    const [here, there] = [this.#cost(this.#current), this.#cost(index)];
    return there < here * NEARER_SHARE && there + NEARER_BY_MS < here;
  }

  /** Those that are to be asked how they are. */
  probesDue(nowMs: number): number[] {
    const current = this.#current;
    if (current === null || this.#servers.length < 2) return [];
    return [...this.#servers.keys()].filter((index) => {
      // Those behind the one in use are of no interest until it is lost.
      if (this.#policy === "order" && index >= current) return false;
      return nowMs >= this.#servers[index]!.probeAtMs;
    });
  }

  /** The server that is better than the one in use and is to be moved to now, or null. */
  better(nowMs: number): number | null {
    const current = this.#current;
    if (current === null || this.#isLost || this.#aim !== null || this.mustLeave) return null;
    const trusted = [...this.#servers.keys()].filter((index) =>
      index !== current && this.#isTrusted(index, nowMs)
    );
    if (this.#policy === "order") return trusted.find((index) => index < current) ?? null;
    if (nowMs - this.#usedSinceMs < NEARER_EVERY_MS) return null;
    const nearer = trusted.filter((index) => {
      const { nearerSinceMs } = this.#servers[index]!;
      return nearerSinceMs !== null && nowMs - nearerSinceMs >= NEARER_FOR_MS;
    });
    return nearer.sort((one, other) => this.#byPolicy(one, other))[0] ?? null;
  }

  #isTrusted(index: number, nowMs: number): boolean {
    const { wellSinceMs, trustMs } = this.#servers[index]!;
    return wellSinceMs !== null && nowMs - wellSinceMs >= trustMs;
  }

  /** The next session is to be of that server, while the one in use goes on. */
  aimAt(index: number): void {
    this.#aim = index;
  }

  /** How that server stands, for people. */
  stateOf(index: number, nowMs: number): ServerState {
    const { figures, isDraining, isSilent, wellSinceMs, failedMs } = this.#servers[index]!;
    const state = isDraining
      ? "draining"
      : index === this.#current && !this.#isLost
      ? "in use"
      : isSilent || failedMs > (wellSinceMs ?? -Infinity) && failedMs > -Infinity
      ? "silent"
      : wellSinceMs === null
      ? "not asked"
      : this.#isTrusted(index, nowMs)
      ? "ready"
      : "not trusted yet";
    return { state, rttMs: figures?.rttMs ?? null, load: figures?.load ?? null };
  }
}
