/** What a bonding client is doing, as a value: what its screen, its log and its socket all show. */
import type { Engine, EngineName, PathReport, SessionReport } from "../net/engine.ts";
import { gainOverBest } from "./gain.ts";
import { type Traffic, TrafficHistory } from "./traffic_history.ts";

/** What carries the data of a link. */
export interface LinkTransport {
  readonly transport: "udp" | "tls";
  /** Why it is not UDP, as in "UDP gets no answer"; null: it is. */
  readonly reason: string | null;
}

export interface LinkStatus {
  readonly name: string;
  /** Why it cannot be used, such as "has no carrier"; null when nothing is known to be in its way. */
  readonly problem: string | null;
  /** For how long it has been up, or not, in milliseconds. */
  readonly unchangedMs: number;
  /** Since the start, over all sessions. Its path, if it has one, is in the session, by its name. */
  readonly traffic: Traffic;
  readonly rule: LinkRuleStatus;
  readonly transport: LinkTransport["transport"];
  readonly transportReason: string | null;
}

/** What the user has prescribed for a link. */
export interface LinkRuleStatus {
  readonly use: "always" | "backup" | "metered";
  /** Bytes a second at most; null: there is no limit. */
  readonly downRate: number | null;
  readonly upRate: number | null;
  /** Of a metered link, what it has carried this month; null for others. */
  readonly volume: {
    /** As in `2026-11`. */
    readonly month: string;
    readonly bytes: number;
    /** Null: it is only counted. */
    readonly capBytes: number | null;
  } | null;
}

/** One of several servers. */
export interface ServerStatus {
  /** As the user named it. */
  readonly name: string;
  /** "not trusted yet": it answers, and is gone back to when it has done so for a while. */
  readonly state: "in use" | "ready" | "not trusted yet" | "draining" | "silent" | "not asked";
  /** Of a connection to it; null: it was not asked. */
  readonly rttMs: number | null;
  /** What share of it is in use, 0 to 1; null: it did not say. */
  readonly load: number | null;
}

export interface BondStatus {
  /** The one in use, as the user named it. */
  readonly server: string;
  /** In the user's order; empty where there is one alone. */
  readonly servers: readonly ServerStatus[];
  /** That the links lead to at present; of both families with `and` between; empty: none yet. */
  readonly serverAddress: string;
  /** Those of this machine inside the tunnel, as in `10.8.0.2 and fd00:8::2`; empty: none yet. */
  readonly addresses: string;
  readonly engine: EngineName;
  /** In the user's order, also those that have no path at the moment. */
  readonly links: readonly LinkStatus[];
  /** Names that something is prescribed for, such as a rate, and that no link has at present. */
  readonly unmatched: readonly string[];
  /** All links by the best of them, as in 1.8, in the busier direction; null: too little flows. */
  readonly gainOverBest: number | null;
  /** Null while there is none. */
  readonly session: SessionReport | null;
  /** Packets and datagrams that went no further, by reason; what never happened does not occur. */
  readonly drops: Readonly<Record<string, number>>;
}

/** What is known beside the engine. */
export interface BondFacts
  extends Pick<BondStatus, "server" | "servers" | "serverAddress" | "addresses" | "engine"> {
  /** Names of the links. */
  readonly links: readonly string[];
  /** By name, why a link cannot be used; the others do not occur. */
  readonly problems: ReadonlyMap<string, string>;
  readonly ruleOf: (link: string) => LinkRuleStatus;
  readonly unmatchedOf: (links: readonly string[]) => readonly string[];
  readonly transportOf: (link: string) => LinkTransport;
  /** Records that waited too long to go inside TLS. */
  readonly droppedInsideTls: () => Promise<number>;
  /** The session in use, or null. */
  readonly sessionId: number | null;
}

/** A reading is given again to whoever asks within this time. */
const FRESH_MS = 200;

/**
 * Reads the engine for all who want to know, so that nothing is read or computed twice. Has no timer:
 * call `status()` regularly, or rates are known only from one reading to the next.
 */
export class BondMonitor {
  readonly #engine: Pick<Engine, "report" | "drops">;
  readonly #facts: () => BondFacts;
  readonly #nowMs: () => number;
  readonly #history = new TrafficHistory();
  /** By link: whether it was up, and since when, at the time of reading. */
  #since: ReadonlyMap<string, { readonly isUp: boolean; readonly atMs: number }> = new Map();
  #reading: Promise<BondStatus> | null = null;
  #readAtMs = -Infinity;

  /** `nowMs` as performance.now(). */
  constructor(
    engine: Pick<Engine, "report" | "drops">,
    facts: () => BondFacts,
    nowMs: () => number,
  ) {
    this.#engine = engine;
    this.#facts = facts;
    this.#nowMs = nowMs;
  }

  /** How things stand, at most 200 ms ago. */
  status(): Promise<BondStatus> {
    const nowMs = this.#nowMs();
    if (this.#reading === null || nowMs - this.#readAtMs >= FRESH_MS) {
      this.#readAtMs = nowMs;
      const reading = this.#read(nowMs);
      this.#reading = reading;
      reading.catch(() => {
        if (this.#reading === reading) this.#reading = null;
      });
    }
    return this.#reading;
  }

  async #read(nowMs: number): Promise<BondStatus> {
    const reports = await this.#engine.report();
    const { sessionId, links, problems, ruleOf, unmatchedOf, transportOf, ...rest } = this.#facts();
    const { droppedInsideTls, ...facts } = rest;
    const late = await droppedInsideTls();
    const session = withLinks(reports.find(({ id }) => id === sessionId) ?? null);
    this.#history.keepOnly(links);
    for (const name of links) {
      const path = session?.paths.find((one) => one.name === name);
      this.#history.add(name, nowMs, path ?? null);
    }
    this.#since = new Map(links.map((name) => {
      const isUp = isCarrying(session?.paths.find((path) => path.name === name));
      const before = this.#since.get(name);
      return [name, before?.isUp === isUp ? before : { isUp, atMs: nowMs }];
    }));
    const statuses = links.map((name): LinkStatus => ({
      name,
      problem: problems.get(name) ?? null,
      unchangedMs: nowMs - this.#since.get(name)!.atMs,
      traffic: this.#history.of(name),
      rule: ruleOf(name),
      transport: transportOf(name).transport,
      transportReason: transportOf(name).reason,
    }));
    return {
      ...facts,
      links: statuses,
      unmatched: unmatchedOf(links),
      gainOverBest: gainOverBest(statuses.map(({ traffic }) => traffic)),
      session,
      drops: { ...dropCounts(this.#engine), ...(late === 0 ? {} : { "late for TLS": late }) },
    };
  }
}

/** What the engine's path over a link is called that is inside TLS. */
export function tlsPathName(link: string): string {
  return `${link}${TLS_MARK}`;
}

const TLS_MARK = " (TLS)";

/** The link that the engine's path of that name is of. */
export function linkOfPath(name: string): string {
  return isInsideTls({ name }) ? name.slice(0, -TLS_MARK.length) : name;
}

/** One path for each link, by the link's name: the one that works, with what both have carried. */
function withLinks(session: SessionReport | null): SessionReport | null {
  if (session === null || !session.paths.some(isInsideTls)) return session;
  const paths = new Map<string, PathReport>();
  for (const path of session.paths) {
    const name = linkOfPath(path.name);
    const other = paths.get(name);
    paths.set(name, other === undefined ? named(path, name) : joined(name, other, path));
  }
  return { ...session, paths: [...paths.values()] };
}

/** Whether the engine's path of that name is inside TLS. */
export function isInsideTls({ name }: Pick<PathReport, "name">): boolean {
  return name.endsWith(TLS_MARK);
}

/** The address of one inside TLS is of this machine, and tells nothing. */
function named(path: PathReport, name: string): PathReport {
  return { ...path, name, seenAs: isInsideTls(path) ? null : path.seenAs };
}

function joined(name: string, one: PathReport, other: PathReport): PathReport {
  // Of two that work, UDP is the one that stays; of two that do not, it says whether the link is dead: a
  // stand-in that was never answered would look as if it were about to work.
  const inside = isInsideTls(other) ? other : one;
  const udp = inside === one ? other : one;
  // Unless it is held back, as while UDP is slowed down.
  const isSpared = udp.idleFor === "cap reached" && inside.idleFor !== "cap reached";
  const isByUdp = isCarrying(udp) && !(isSpared && isCarrying(inside));
  return {
    ...named(isByUdp || !isCarrying(inside) ? udp : inside, name),
    sentPackets: one.sentPackets + other.sentPackets,
    sentBytes: one.sentBytes + other.sentBytes,
    receivedPackets: one.receivedPackets + other.receivedPackets,
    receivedBytes: one.receivedBytes + other.receivedBytes,
  };
}

/** A path whose answers are late is up until it is given up. */
function isCarrying(path: PathReport | undefined): boolean {
  return path?.state === "up" || path?.state === "suspect";
}

/** By reason, those that have happened. */
export function dropCounts({ drops }: Pick<Engine, "drops">): Record<string, number> {
  return Object.fromEntries(drops.entries());
}
