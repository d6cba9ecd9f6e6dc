/**
 * Tells the client what the server has learned that paths carry towards it, so that the client can
 * remember it; and the server what the client remembers, so that it can begin with that. A rate is no
 * limit: it is believed until the first thing is measured. x1, while flows are spread over paths.
 */
import type { Outbox } from "../path/outbox.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Scheduling } from "../schedule/scheduling.ts";
import { TYPE_CONTROL } from "../wire/header.ts";
import { PATH_RATE_MAX, PATH_RATE_MIN } from "../wire/path_rule.ts";
import {
  encodeTunnelMessage,
  type LearnedRateMessage,
  PATH_RATES_MAX,
  type TunnelMessage,
} from "../wire/tunnel_message.ts";
import type { Role } from "./session_options.ts";

/** As paths are announced: the message may get lost. */
const REPEAT_MS = 2000;
/** What has changed by less is no news. */
const NEWS_SHARE = 0.1;

export class LearnedRates {
  /** Nobody is woken for it: sessions look at their timers often enough. */
  #nextAt: number;
  readonly #paths: PathTable;
  readonly #outbox: Outbox;
  readonly #scheduling: Scheduling;
  readonly #role: Role;

  /** @param firstAt Infinity: the peers do not spread flows. */
  constructor(
    paths: PathTable,
    outbox: Outbox,
    scheduling: Scheduling,
    role: Role,
    firstAt: number,
  ) {
    this.#paths = paths;
    this.#outbox = outbox;
    this.#scheduling = scheduling;
    this.#role = role;
    this.#nextAt = firstAt;
  }

  /** A path works: what is remembered of it should be known before much is sent. */
  pathUp(): void {
    if (this.#role === "client" && this.#nextAt < Infinity) this.#nextAt = -Infinity;
  }

  handleTimeout(now: number): void {
    if (now < this.#nextAt) return;
    this.#nextAt = now + REPEAT_MS;
    const [path] = this.#paths.usable();
    if (path === undefined || !this.#scheduling.scheduler.spreadsFlows) return;
    const rates: LearnedRateMessage[] = [];
    for (const each of this.#paths) {
      const rate = this.#role === "server" ? this.#learned(each) : remembered(each);
      if (rate !== null && rates.length < PATH_RATES_MAX) rates.push({ id: each.id, rate });
    }
    if (rates.length === 0) return;
    const payload = encodeTunnelMessage({ type: "rates", rates });
    this.#outbox.transmit({ type: TYPE_CONTROL, path, payload });
  }

  /** What is news of the path; null: nothing. */
  #learned(path: SessionPath): number | null {
    const { capacity } = this.#scheduling.scheduler.loadOf(path);
    if (capacity === null || path.rule.sendRate !== null) return null;
    const rate = Math.round(Math.min(PATH_RATE_MAX, Math.max(PATH_RATE_MIN, capacity)));
    const told = path.toldRate ?? 0;
    if (Math.abs(rate - told) <= NEWS_SHARE * told) return null;
    path.toldRate = rate;
    return rate;
  }

  receive({ rates }: TunnelMessage & { type: "rates" }): void {
    for (const { id, rate } of rates) {
      const path = this.#paths.byId(id);
      if (path === null) continue;
      if (this.#role === "server") path.startRate = rate;
      else path.peerRate = rate;
    }
  }
}

/** What the server may begin with, until it tells that it knows better. */
function remembered({ rule, peerRate }: SessionPath): number | null {
  return peerRate === null && rule.receiveStart !== undefined ? rule.receiveStart : null;
}
