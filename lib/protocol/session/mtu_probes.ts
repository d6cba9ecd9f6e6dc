/**
 * Path MTU discovery by the client (x1). A probe is a control message padded to the packet size under
 * test. Its answer is as long, so both directions are tested. The sockets forbid fragmentation.
 */
import { MtuSearch } from "../path/mtu_search.ts";
import { IPV6_MTU_MIN } from "../packet/ip.ts";
import { tunnelOverheadBytes } from "../packet/tunnel_overhead.ts";
import { TYPE_CONTROL } from "../wire/header.ts";
import { encodeTunnelMessage } from "../wire/tunnel_message.ts";
import type { Outbox } from "../path/outbox.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";

/** Carried by every path that carries IPv6 (RFC 8200, 5), and taken for its size until it is known. */
export const START_BYTES = IPV6_MTU_MIN;

export class MtuProbes {
  readonly #paths: PathTable;
  readonly #outbox: Outbox;
  #ceiling: number | null;

  /** How much more is wanted than at first. */
  #added = 0;

  /** @param ceiling the size that is wanted, in bytes; null: nothing is probed. */
  constructor(paths: PathTable, outbox: Outbox, ceiling: number | null) {
    this.#paths = paths;
    this.#outbox = outbox;
    this.#ceiling = ceiling;
  }

  /** The path came up, perhaps over another route: starts the search again. */
  begin(path: SessionPath): void {
    if (this.#ceiling === null) return;
    if (path.mtuSearch !== null) return path.mtuSearch.reset();
    const overheadBytes = tunnelOverheadBytes(path.family);
    path.mtuSearch = new MtuSearch({ ceiling: this.#ceiling, overheadBytes });
  }

  /** Looks for `bytes` more than the size that was wanted at first. */
  raise(bytes: number): void {
    if (this.#ceiling === null || this.#added >= bytes) return;
    this.#ceiling += bytes - this.#added;
    this.#added = bytes;
    for (const { mtuSearch } of this.#paths) mtuSearch?.raise(this.#ceiling);
  }

  /** A probe of `size` has been answered. */
  answered(path: SessionPath, size: number, now: number): void {
    path.mtuSearch?.acknowledged(size, now);
    this.handleTimeout(now);
  }

  /** The kernel would not send a packet of `size`. */
  refused(path: SessionPath, size: number, now: number): void {
    path.mtuSearch?.tooBig(size);
    this.handleTimeout(now);
  }

  /** Sends the probes that are due, and tells what has been found. */
  handleTimeout(now: number): void {
    for (const path of this.#paths) {
      const search = path.mtuSearch;
      if (search === null || path.liveness.state !== "up") continue;
      // What the server sends counts as well: the server does not probe.
      if (path.quality.isVanishing || path.receiveStatistics.isVanishing) {
        search.suspectBlackhole();
      }
      const roundTripMs = path.quality.rtt.smoothedMs;
      for (;;) {
        const size = search.nextProbe(now, roundTripMs);
        if (size === 0) break;
        const payload = encodeTunnelMessage({ type: "mtu probe", size });
        this.#outbox.transmit({ type: TYPE_CONTROL, path, payload });
      }
      const { mtu, state, wasBlackhole } = search;
      if (state !== "done" || mtu === null || mtu === path.mtu) continue;
      path.mtu = mtu;
      this.#outbox.emit({ name: "path MTU", path, mtu, wasBlackhole });
    }
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { mtuSearch, liveness } of this.#paths) {
      if (mtuSearch !== null && liveness.state === "up") {
        next = Math.min(next, mtuSearch.nextDeadline());
      }
    }
    return next;
  }

  /**
   * The largest packet that all paths carry for certain, or null without any. A path that works counts
   * also while it is avoided, so that the size does not change whenever a link is left; one that is too
   * narrow for IPv6 only while it is in use.
   */
  smallest(): number | null {
    let smallest: number | null = null;
    if (this.#ceiling === null) return null;
    const start = Math.min(START_BYTES, this.#ceiling);
    for (const { mtu, isNarrow, carriesFlows, liveness: { state } } of this.#paths) {
      const isWorking = state === "up" || state === "suspect";
      if (!(carriesFlows || isWorking && !isNarrow)) continue;
      smallest = Math.min(smallest ?? Infinity, mtu ?? start);
    }
    return smallest;
  }
}
