/** For tests: one path on virtual time, and a search for its MTU. */
import { equal, ok } from "node:assert/strict";
import { SeededRandom } from "../../../scripts/emulator/random.ts";
import { tunnelOverheadBytes } from "../packet/tunnel_overhead.ts";
import { MTU_STEP_BYTES, MtuSearch } from "./mtu_search.ts";

export const OVERHEAD = tunnelOverheadBytes(4);
const FOREVER_MS = 60_000;

export interface Path {
  /** The largest packet that arrives; changeable while the search runs. */
  mtu: number;
  readonly rttMs: number;
  /** Of probes, and of answers as well. */
  readonly lossRate?: number;
  /** What becomes of probes that are too large: nothing, or an answer that says so. */
  readonly limit?: "silent" | "told";
}

/** One path on virtual time. */
export class Laboratory {
  readonly search: MtuSearch;
  readonly sent: { size: number; atMs: number }[] = [];
  nowMs = 0;
  #path: Path;
  #random: SeededRandom;
  #arrivals: { atMs: number; run: () => void }[] = [];

  constructor(path: Path, ceiling = 1400, seed = 1, overheadBytes = OVERHEAD) {
    this.#path = path;
    this.#random = new SeededRandom(seed);
    this.search = new MtuSearch({ ceiling, overheadBytes });
  }

  /** Lets time pass until `isOver`, or `untilMs`. */
  run(untilMs: number, isOver: () => boolean = () => false): void {
    while (!isOver()) {
      this.#sendAll();
      if (isOver()) return;
      const nextMs = Math.min(this.search.nextDeadline(), this.#arrivals[0]?.atMs ?? Infinity);
      if (nextMs > untilMs) {
        this.nowMs = untilMs;
        return;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      while (this.#arrivals[0] && this.#arrivals[0].atMs <= this.nowMs) {
        this.#arrivals.shift()!.run();
      }
    }
  }

  /** The time the search took. */
  finish(untilMs = this.nowMs + FOREVER_MS): number {
    const startMs = this.nowMs;
    this.run(untilMs, () => this.search.state === "done");
    equal(this.search.state, "done", `after ${this.sent.length} probes`);
    return this.nowMs - startMs;
  }

  #sendAll(): void {
    const { search } = this;
    for (let size = this.#next(); size > 0; size = this.#next()) {
      const path = this.#path;
      const isLost = this.#isLost() || this.#isLost();
      this.sent.push({ size, atMs: this.nowMs });
      ok(this.sent.length < 10_000, "it never stops sending");
      if (size <= path.mtu) {
        if (!isLost) this.#after(path.rttMs, () => search.acknowledged(size, this.nowMs));
      } else if (path.limit === "told") {
        search.tooBig(size);
      }
    }
  }

  #next(): number {
    return this.search.nextProbe(this.nowMs, this.#path.rttMs);
  }

  #isLost(): boolean {
    return this.#random.next() < (this.#path.lossRate ?? 0);
  }

  #after(ms: number, run: () => void): void {
    this.#arrivals.push({ atMs: this.nowMs + ms, run });
    this.#arrivals.sort((a, b) => a.atMs - b.atMs);
  }
}

/** Within 8 bytes below what the path carries, and never above. */
export function assertFound(mtu: number | null, trueMtu: number, message = ""): void {
  ok(mtu !== null && mtu <= trueMtu, `${message}: ${mtu} is above ${trueMtu}`);
  ok(mtu > trueMtu - MTU_STEP_BYTES, `${message}: ${mtu} is far below ${trueMtu}`);
}
