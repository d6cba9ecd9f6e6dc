/**
 * The packets of one session that its peer covers by repair records: a window for each path, from the
 * first repair record of it until none has come for a while. Bounded for a session, and for all
 * together: beyond that nothing is had back.
 */
import { RepairWindow } from "../../protocol/receive/repair_window.ts";
import type { PathTable } from "../../protocol/path/path_table.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { FLAG_ORDER_EXTENSION, type RecordHeader } from "../../protocol/wire/header.ts";
import { decodeRepairPrefix, RepairPrefix } from "../../protocol/wire/repair.ts";
import type { PacketMemory } from "./memory.ts";
import { newMemory } from "./packet_cells.ts";

/** Each takes a megabyte. */
const WINDOWS_MAX = 64;
const WINDOWS_OF_SESSION_MAX = 4;
const UNUSED_MS = 10_000;
const MEMORY_BYTES = 2048;

/** What the sessions of an engine share. */
export class RepairMemory {
  windows = 0;
  #memory: PacketMemory | null = null;

  /** Where a packet lies that was had back. */
  get memory(): PacketMemory {
    return this.#memory ??= newMemory(MEMORY_BYTES);
  }
}

interface Covered {
  readonly window: RepairWindow;
  usedAt: number;
}

export class Repairing {
  readonly #shared: RepairMemory;
  readonly #covered = new Map<number, Covered>();
  readonly #prefix = new RepairPrefix();

  constructor(shared: RepairMemory) {
    this.#shared = shared;
  }

  /** Of the packet that `next` gave, which begins at 0. */
  get memory(): PacketMemory {
    return this.#shared.memory;
  }

  get isUsed(): boolean {
    return this.#covered.size > 0;
  }

  paths(): Iterable<number> {
    return this.#covered.keys();
  }

  /** Hot. A packet record has come on a path; its plaintext begins at `payload`. */
  keep(
    pathId: number,
    counter: number,
    header: RecordHeader,
    bytes: Uint8Array,
    payload: number,
  ): void {
    if ((header.flags & FLAG_ORDER_EXTENSION) === 0) return;
    const covered = this.#covered.get(pathId);
    if (covered === undefined) return;
    covered.window.keep(header.epoch, counter, header, bytes, payload, header.payloadLength);
  }

  /** A repair record has come. Returns the path that it speaks of; null: it cannot be true. */
  receive(
    payload: Uint8Array,
    header: RecordHeader,
    paths: PathTable,
    now: number,
  ): number | null {
    const prefix = this.#prefix;
    if (!decodeRepairPrefix(payload, prefix)) return null;
    const { pathId } = prefix;
    // One of a path that was removed may come after it.
    if (paths.byId(pathId) === null) return pathId;
    const covered = this.#covered.get(pathId) ?? this.#open(pathId);
    if (covered === null) return pathId;
    covered.usedAt = now;
    covered.window.add(prefix, header, payload, now);
    return pathId;
  }

  #open(pathId: number): Covered | null {
    const shared = this.#shared;
    if (this.#covered.size >= WINDOWS_OF_SESSION_MAX || shared.windows >= WINDOWS_MAX) return null;
    shared.windows++;
    const window = new RepairWindow(shared.memory.bytes);
    const covered = { window, usedAt: 0 };
    this.#covered.set(pathId, covered);
    return covered;
  }

  /**
   * Hot. Whether a packet of `path` was had back: it lies in `memory`, and `header` is that of its
   * record. Ask until there is none.
   */
  next(path: SessionPath, patienceMs: number, header: RecordHeader, now: number): boolean {
    const covered = this.#covered.get(path.id);
    if (covered === undefined) return false;
    const { window } = covered;
    if (!window.next(patienceMs, now)) return false;
    const { flags, compression, sequence, stream } = window.recovered;
    header.flags = flags;
    header.compression = compression;
    header.sequence = sequence;
    header.stream = stream;
    header.payloadLength = window.recoveredLength;
    path.counters.repairedPackets++;
    path.receivedRecords?.repaired(window.epoch, window.recoveredCounter);
    return true;
  }

  /** How many repair records of a path could not be true, since this was asked last. */
  takeFaults(pathId: number): number {
    return this.#covered.get(pathId)?.window.takeFaults() ?? 0;
  }

  /** When it is to be looked at without anything coming. */
  nextTimeout(patienceMs: number): number {
    let next = Infinity;
    for (const { window, usedAt } of this.#covered.values()) {
      next = Math.min(next, usedAt + UNUSED_MS, window.nextTimeout(patienceMs));
    }
    return next;
  }

  /** Gives up the windows of paths that are gone, or not covered any more. */
  forgetUnused(paths: PathTable, now: number): void {
    for (const [pathId, { usedAt }] of this.#covered) {
      if (now - usedAt >= UNUSED_MS || paths.byId(pathId) === null) this.#forget(pathId);
    }
  }

  #forget(pathId: number): void {
    this.#covered.delete(pathId);
    this.#shared.windows--;
  }

  /** Gives all memory back. */
  free(): void {
    for (const pathId of this.#covered.keys()) this.#forget(pathId);
  }
}
