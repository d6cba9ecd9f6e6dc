/**
 * With `-metrics-per-client`: metrics that have the name of a client. What a client's paths have
 * carried is added up here, since a path takes its counters with it when it goes.
 */
import { seconds } from "../lib/status/metrics/common_metrics.ts";
import type { MetricsPage } from "../lib/status/metrics/metrics_page.ts";
import type { SessionStatus } from "../lib/status/server_status.ts";

/** Those with most to tell of come first in no order that matters: more are counted, not named. */
const CLIENTS_MAX = 1024;
/** A client that is gone keeps its series for so long, so that its last bytes are seen. */
const GONE_MS = 10 * 60_000;

interface Carried {
  received: number;
  sent: number;
}

interface ClientTally extends Carried {
  seenAtMs: number;
  /** As the counters of each path stood, by session and path. */
  readonly paths: Map<string, Carried>;
}

export class ClientMetrics {
  readonly #tallies = new Map<string, ClientTally>();

  /** To be called at each scrape. `nowMs` as performance.now(). */
  add(page: MetricsPage, sessions: readonly SessionStatus[], nowMs: number): void {
    const named = sessions.filter(({ name }) => this.#note(name, nowMs) !== null);
    this.#forgetThoseGone(nowMs);
    for (const session of named) addClient(page, session);
    for (const session of named) this.#count(session);
    for (const [client, { received, sent }] of this.#tallies) {
      const counter = (name: string, help: string, value: number) =>
        page.counter(`fluxify_client_${name}_bytes_total`, help, value, { client });
      counter("received", "Bytes of records from the client, as seen by scrapes.", received);
      counter("sent", "Bytes of records to the client, as seen by scrapes.", sent);
    }
    page.gauge(
      "fluxify_clients_not_named",
      `Clients beyond the ${CLIENTS_MAX} that have series of their own.`,
      sessions.length - named.length,
    );
  }

  #note(name: string, nowMs: number): ClientTally | null {
    let tally = this.#tallies.get(name);
    if (tally === undefined) {
      if (this.#tallies.size >= CLIENTS_MAX) return null;
      tally = { received: 0, sent: 0, seenAtMs: nowMs, paths: new Map() };
      this.#tallies.set(name, tally);
    }
    tally.seenAtMs = nowMs;
    return tally;
  }

  #count({ name, session }: SessionStatus): void {
    const tally = this.#tallies.get(name)!;
    const before = new Map(tally.paths);
    tally.paths.clear();
    for (const { id, receivedBytes: received, sentBytes: sent } of session?.paths ?? []) {
      const key = `${session!.id} ${id}`;
      const last = before.get(key);
      // A path of the same number that was made anew begins at zero.
      const isSame = last !== undefined && received >= last.received && sent >= last.sent;
      tally.received += received - (isSame ? last.received : 0);
      tally.sent += sent - (isSame ? last.sent : 0);
      tally.paths.set(key, { received, sent });
    }
  }

  #forgetThoseGone(nowMs: number): void {
    for (const [name, { seenAtMs }] of this.#tallies) {
      if (nowMs - seenAtMs > GONE_MS) this.#tallies.delete(name);
    }
  }
}

function addClient(
  page: MetricsPage,
  { name: client, session, prescribed }: SessionStatus,
): void {
  const paths = session?.paths ?? [];
  const up = paths.filter(({ state }) => state === "up");
  const gauge = (name: string, help: string, value: number | null) =>
    page.gauge(`fluxify_client_${name}`, help, value, { client });
  gauge("up", "Whether some path of the client works.", up.length > 0 ? 1 : 0);
  gauge("paths", "Paths of the client.", paths.length);
  gauge("paths_up", "Paths of the client that work.", up.length);
  const rtts = up.flatMap(({ rttMs }) => rttMs === null ? [] : [rttMs]);
  const rtt = rtts.length === 0 ? null : Math.min(...rtts);
  gauge("rtt_seconds", "Round trip of the client's nearest path.", seconds(rtt));
  const losses = up.flatMap(({ loss }) => loss === null ? [] : [loss]);
  const loss = losses.length === 0 ? null : Math.max(...losses);
  gauge("loss_ratio", "Loss of the client's worst path that works.", loss);
  if (prescribed === null) return;
  const { quotaBytes, usedBytes } = prescribed;
  gauge("quota_bytes", "What the client may carry in a month.", quotaBytes);
  gauge("quota_used_bytes", "What it has carried in this one.", usedBytes);
  for (const [limit, packets] of Object.entries(session?.limited ?? {})) {
    const name = "fluxify_client_limited_packets_total";
    const help = "Packets dropped beyond the client's rates and reach; from 0 when it comes anew.";
    page.counter(name, help, packets, { client, limit });
  }
}
