/** What a client is held to, and what it has used of it: one for all sessions that replace each other. */
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import { prefixSet, type PrefixTable } from "../../protocol/packet/prefix_table.ts";
import type { SessionLimits, SessionReport } from "../engine.ts";
import type { PacketCells } from "./packet_cells.ts";
import { RateGate } from "./rate_gate.ts";

/** What has been carried is told no more often. */
const VOLUME_EVERY_MS = 5000;

export class ClientLimits {
  /** Null: there is no limit that way, and there never was one. */
  down: RateGate | null = null;
  up: RateGate | null = null;
  beyondReach = 0;
  #reach: PrefixTable<true> | null = null;
  #routes: PrefixTable<true> | null = null;
  #volumeLeft: number | null = null;
  #volume = 0;
  #volumeToldAt = -Infinity;
  readonly #cells: PacketCells;

  /** @param cells memory of packets that wait. */
  constructor(cells: PacketCells) {
    this.#cells = cells;
  }

  /** @throws RangeError for what is no prefix. */
  apply({ rateDown, rateUp, reach, routes, volumeLeft }: SessionLimits): void {
    this.#reach = reach === null ? null : prefixSet(reach);
    this.#routes = routes.length === 0 ? null : prefixSet(routes);
    this.down = this.#gate(this.down, rateDown);
    this.up = this.#gate(this.up, rateUp);
    // What was carried before it counted does not count.
    if (this.#volumeLeft === null) this.#volume = 0;
    this.#volumeLeft = volumeLeft;
  }

  #gate(gate: RateGate | null, rate: number | null): RateGate | null {
    if (gate === null) return rate === null ? null : new RateGate(rate, this.#cells);
    gate.setRate(rate);
    return gate;
  }

  /** Hot. Whether the client may send the packet to where it goes. */
  reaches(flow: FlowKey): boolean {
    if (this.#reach === null) return true;
    const { version, destination0, destination1, destination2, destination3 } = flow;
    return this.#reach.find(version, destination0, destination1, destination2, destination3) ===
      true;
  }

  /** Hot. Whether the packet comes from a network behind the client. */
  isRouted(flow: FlowKey): boolean {
    if (this.#routes === null) return false;
    const { version, source0, source1, source2, source3 } = flow;
    return this.#routes.find(version, source0, source1, source2, source3) === true;
  }

  /** Hot. A packet has been carried, either way. */
  count(bytes: number): void {
    this.#volume += bytes;
  }

  /** Bytes that are to be told now; 0: none. */
  dueVolume(now: number): number {
    if (this.#volumeLeft === null || this.#volume === 0) return 0;
    const isUsedUp = this.#volume >= this.#volumeLeft;
    if (!isUsedUp && now - this.#volumeToldAt < VOLUME_EVERY_MS) return 0;
    return this.takeVolume(now);
  }

  /** Bytes that were not told yet. */
  takeVolume(now: number): number {
    const bytes = this.#volumeLeft === null ? 0 : this.#volume;
    this.#volume = 0;
    this.#volumeToldAt = now;
    if (this.#volumeLeft !== null) this.#volumeLeft = Math.max(0, this.#volumeLeft - bytes);
    return bytes;
  }

  /** When packets that wait are to be looked at; Infinity: none waits. */
  nextAt(now: number): number {
    return Math.min(this.down?.nextAt(now) ?? Infinity, this.up?.nextAt(now) ?? Infinity);
  }

  counts(): SessionReport["limited"] {
    return {
      down: this.down?.droppedPackets ?? 0,
      up: this.up?.droppedPackets ?? 0,
      reach: this.beyondReach,
    };
  }

  /** Gives up what waits. */
  free(): void {
    this.down?.free();
    this.up?.free();
  }
}
