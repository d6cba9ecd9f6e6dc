/** What a server is doing, as values: what its log and its socket show. */
import type { Engine, PathReport, SessionReport } from "../net/engine.ts";
import type { InnerAddresses } from "../protocol/wire/tunnel_network.ts";
import { dropCounts } from "./bond_status.ts";
import { type Bytes, type Rates, TrafficHistory } from "./traffic_history.ts";

/** What has been carried over the paths there are. Received is from clients, sent is to them. */
interface Carried extends Bytes, Rates {}

export interface ServerStatus extends Carried {
  readonly udpPort: number;
  readonly controlPort: number;
  readonly tun: string;
  /** Inside the tunnel. */
  readonly address4: string;
  readonly address6: string;
  readonly sessions: number;
  readonly paths: number;
  readonly pathsUp: number;
  readonly drops: Readonly<Record<string, number>>;
}

/** What the operator has prescribed for a client, and what it has used of it. */
export interface Prescribed {
  /** Bytes a second inside the tunnel, to the client and from it. */
  readonly rate: { readonly down: number; readonly up: number } | null;
  /** A calendar month, and what has been carried of it, both ways together. */
  readonly quotaBytes: number | null;
  readonly usedBytes: number | null;
  /** The last day on which it is let in, as in 2027-01-31. */
  readonly expires: string | null;
  /** Prefixes it may send to; null: anywhere. */
  readonly reach: readonly string[] | null;
  /** Its IPv4 address inside, which is nobody else's. */
  readonly address: string | null;
  /** Prefixes behind it. */
  readonly routes: readonly string[];
}

export interface SessionStatus extends Carried {
  /** The client's, as its certificate has it. */
  readonly name: string;
  readonly addresses: InnerAddresses;
  /** Whether the client has spoken on it. */
  readonly isHeard: boolean;
  /** Null: nothing is prescribed for the client. */
  readonly prescribed: Prescribed | null;
  /** Null: the engine has none of it (any more). */
  readonly session: SessionReport | null;
}

/** Behind the address of a path that is inside TLS. */
export const TLS_PEER_MARK = " (TLS)";

/** As the registry of sessions knows it. */
interface KnownSession extends Pick<SessionStatus, "name" | "addresses" | "isHeard"> {
  readonly id: number;
}

interface MonitorParts {
  readonly engine: Pick<Engine, "report" | "drops">;
  readonly sessions: () => Iterable<KnownSession>;
  /** Of a client; null: nothing. */
  readonly prescribed: (name: string) => Prescribed | null;
  /** performance.now() */
  readonly nowMs: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

/** A reading is given again to whoever asks within this time. */
const FRESH_MS = 200;
/** Rates are not told from counters that are older. */
const STALE_MS = 10_000;
/** Then they are told from two readings so far apart. */
const APART_MS = 500;

/**
 * Reads the engine for all who want to know. A report of many sessions takes the engine a moment, so it
 * is asked for only when somebody asks here.
 */
export class ServerMonitor {
  readonly #parts: MonitorParts;
  /** By path; two samples are all that rates need. */
  readonly #history = new TrafficHistory({ samplesMax: 3 });
  #reading: Promise<SessionStatus[]> | null = null;
  #readAtMs = -Infinity;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
  }

  /**
   * By name; at most 200 ms old. `rates`: whether they are wanted, for which two readings are needed
   * when nobody has asked lately.
   */
  sessions(rates: "with rates" | "counters alone" = "with rates"): Promise<SessionStatus[]> {
    const nowMs = this.#parts.nowMs();
    if (this.#reading === null || nowMs - this.#readAtMs >= FRESH_MS) {
      const isStale = rates === "with rates" && nowMs - this.#readAtMs > STALE_MS;
      this.#readAtMs = nowMs;
      const reading = isStale ? this.#readTwice() : this.#read();
      this.#reading = reading;
      reading.then(() => this.#readAtMs = this.#parts.nowMs(), () => {
        if (this.#reading === reading) this.#reading = null;
      });
    }
    return this.#reading;
  }

  async status(
    facts: Pick<ServerStatus, "udpPort" | "controlPort" | "tun" | "address4" | "address6">,
  ): Promise<ServerStatus> {
    const sessions = await this.sessions();
    const paths = sessions.map(({ session }) => countPaths(session?.paths ?? []));
    const sum = (of: keyof PathCount) => paths.reduce((all, one) => all + one[of], 0);
    return {
      ...facts,
      sessions: sessions.length,
      paths: sum("all"),
      pathsUp: sum("up"),
      ...sumOf(sessions),
      drops: dropCounts(this.#parts.engine),
    };
  }

  async #readTwice(): Promise<SessionStatus[]> {
    await this.#read();
    await this.#parts.pause(APART_MS);
    return await this.#read();
  }

  async #read(): Promise<SessionStatus[]> {
    const { engine, sessions, nowMs, prescribed } = this.#parts;
    const reports = new Map((await engine.report()).map((report) => [report.id, report]));
    const atMs = nowMs();
    const keys: string[] = [];
    const read = [...sessions()].map(({ id, name, addresses, isHeard }): SessionStatus => {
      const session = reports.get(id) ?? null;
      const carried = (session?.paths ?? []).map((path) => {
        const key = `${id} ${path.id}`;
        keys.push(key);
        this.#history.add(key, atMs, path);
        const { receivedBytesPerSecond, sentBytesPerSecond } = this.#history.of(key);
        const { receivedBytes, sentBytes } = path;
        return { receivedBytes, sentBytes, receivedBytesPerSecond, sentBytesPerSecond };
      });
      const known = { name, addresses, isHeard, prescribed: prescribed(name) };
      return { ...known, ...sumOf(carried), session };
    });
    this.#history.keepOnly(keys);
    return read.sort((one, other) => one.name < other.name ? -1 : 1);
  }
}

function sumOf(parts: readonly Carried[]): Carried {
  const sum = (key: keyof Carried) => parts.reduce((total, one) => total + one[key], 0);
  return {
    receivedBytes: sum("receivedBytes"),
    sentBytes: sum("sentBytes"),
    receivedBytesPerSecond: sum("receivedBytesPerSecond"),
    sentBytesPerSecond: sum("sentBytesPerSecond"),
  };
}

interface PathCount {
  readonly all: number;
  readonly up: number;
}

/** One inside TLS stands in for a path by UDP that is down, unless the client has no others. */
function countPaths(paths: readonly Pick<PathReport, "peer" | "state">[]): PathCount {
  const inside = paths.filter(({ peer }) => peer.endsWith(TLS_PEER_MARK)).length;
  const all = Math.max(inside, paths.length - inside);
  return { all, up: Math.min(all, paths.filter(({ state }) => state === "up").length) };
}
