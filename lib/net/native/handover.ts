/**
 * Packets from the TUN device that the kernel gave to a thread which does not have their session. It
 * chooses a queue by the flow, and knows only of flows that a thread has written to its own.
 *
 * Which thread has the session follows from the client's inner address alone, so nobody needs a table
 * of other threads' sessions: {@link threadOfAddress}. Session ids are chosen to agree with it.
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { ipv4Word, ipv6Words } from "../../protocol/packet/inner_address.ts";
import { PrefixTable } from "../../protocol/packet/prefix_table.ts";
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import type { InnerAddresses } from "../../protocol/wire/tunnel_network.ts";
import { type MemoryLayout, REGION_BYTES } from "./memory_layout.ts";
import { PacketRing, RING_MEMORY_BYTES } from "./packet_ring.ts";

/** Packets of other threads before one's own sockets get their turn. */
const TAKEN_PER_TURN = 64;

/** What one thread knows of the others. */
export interface HandoverPlan {
  /** Its own number, from 0. */
  readonly thread: number;
  readonly threads: number;
  /** What to add to the last word of an inner IPv6 address for the IPv4 address of the same host. */
  readonly familyOffset: number;
  /** By the thread that reads and by the thread that writes; null on the diagonal. */
  readonly rings: readonly (readonly (SharedArrayBuffer | null)[])[];
  /** The eventfds that wake each thread. */
  readonly wakeFds: readonly number[];
}

/** Hot. The thread of the client with that inner IPv4 address, as a 32-bit number. */
export function threadOfAddress(ipv4: number, threads: number): number {
  return (ipv4 >>> 0) % threads;
}

/** The session id nearest to `random` (u32) that belongs to the thread of the client's address. */
export function sessionIdFor(random: number, ipv4: string, threads: number): number {
  const id = random - random % threads + threadOfAddress(ipv4Word(ipv4), threads);
  if (id > 0xffffffff) return id - threads;
  return id === 0 ? threads : id;
}

/** The plans of all threads, with their rings. @param server its addresses inside the tunnel. */
export function planHandover(wakeFds: readonly number[], server: InnerAddresses): HandoverPlan[] {
  const threads = wakeFds.length;
  const familyOffset = (ipv4Word(server.ipv4) - ipv6Words(server.ipv6)[3]) | 0;
  const rings = wakeFds.map((_, reader) =>
    wakeFds.map((_, writer) => reader === writer ? null : new SharedArrayBuffer(RING_MEMORY_BYTES))
  );
  return wakeFds.map((_, thread) => ({ thread, threads, familyOffset, rings, wakeFds }));
}

export class Handover {
  readonly #libc: Libc;
  readonly #layout: MemoryLayout;
  readonly #plan: HandoverPlan;
  readonly #drops: DropCounters;
  /** By thread; null for its own. */
  readonly #incoming: readonly (PacketRing | null)[];
  readonly #outgoing: readonly (PacketRing | null)[];
  /** The inner IPv4 addresses of clients by the networks behind them. */
  readonly #routes = new PrefixTable<number>();
  /** Threads that have to be woken. */
  readonly #isOwed: boolean[];
  #isAnyOwed = false;
  /** Whether packets were left in the rings for want of room. */
  #isHeldUp = false;

  constructor(libc: Libc, layout: MemoryLayout, plan: HandoverPlan, drops: DropCounters) {
    this.#libc = libc;
    this.#layout = layout;
    this.#plan = plan;
    this.#drops = drops;
    const { thread, rings } = plan;
    const open = (memory: SharedArrayBuffer | null) =>
      memory === null ? null : new PacketRing(memory);
    this.#incoming = rings[thread]!.map(open);
    this.#outgoing = rings.map((ofReader) => open(ofReader[thread]!));
    this.#isOwed = rings.map(() => false);
  }

  /**
   * Hot. Hands over the packet at offset `packet`, which lies where the TUN device was read to, unless
   * its session would be this thread's own: then false.
   */
  give(flow: FlowKey, packet: number, length: number): boolean {
    const { thread, threads } = this.#plan;
    const to = threadOfAddress(this.#clientOf(flow), threads);
    const ring = this.#outgoing[to]!;
    if (to === thread || ring === null) return false;
    const { arena, tunRead } = this.#layout;
    // The virtio header in front goes along.
    if (!ring.push(arena.bytes, tunRead, packet + length - tunRead)) {
      this.#drops.count("handover full");
      return true;
    }
    this.#isOwed[to] = this.#isAnyOwed = true;
    return true;
  }

  /** Hot. The inner IPv4 address of the client that a packet goes to, if it goes to one. */
  #clientOf(flow: FlowKey): number {
    const { version, destination0, destination1, destination2, destination3 } = flow;
    const behind = this.#routes.size === 0 ? undefined : this.#routes.find(
      version,
      destination0,
      destination1,
      destination2,
      destination3,
    );
    if (behind !== undefined) return behind;
    return version === 4 ? destination3 : destination3 + this.#plan.familyOffset;
  }

  /** The networks behind a client, in the place of those before. */
  setRoutes(ipv4: string, prefixes: readonly string[]): void {
    const client = ipv4Word(ipv4);
    this.#routes.remove(client);
    for (const prefix of prefixes) {
      try {
        this.#routes.add(prefix, client);
      } catch (error) {
        // It overlaps another client's: the thread that has the session refuses it and says so.
        if (!(error instanceof RangeError)) throw error;
      }
    }
  }

  /** Hot. Wakes the threads that were given packets since this was called last. */
  flush(): void {
    if (!this.#isAnyOwed) return;
    this.#isAnyOwed = false;
    for (let thread = 0; thread < this.#isOwed.length; thread++) {
      if (!this.#isOwed[thread]) continue;
      this.#isOwed[thread] = false;
      this.#libc.signalEventfd(this.#plan.wakeFds[thread]!);
    }
  }

  /** There may be room again: what was left in the rings is taken in the next turn. */
  resume(): void {
    if (!this.#isHeldUp) return;
    this.#isHeldUp = false;
    this.#libc.signalEventfd(this.#plan.wakeFds[this.#plan.thread]!);
  }

  /**
   * Hot. Takes what other threads have handed over, up to a turn's worth, each packet to where the TUN
   * device is read to. Returns how many bytes came.
   * @param handOn takes the packet whose `length` bytes lie there.
   * @param mayRead asked before each: whether there is room for more.
   */
  take(handOn: (length: number) => void, mayRead: () => boolean): number {
    const { arena, tunRead } = this.#layout;
    let bytes = 0;
    let left = TAKEN_PER_TURN;
    for (let from = 0; from < this.#incoming.length; from++) {
      const ring = this.#incoming[from]!;
      if (ring === null) continue;
      while (!ring.isEmpty) {
        if (!mayRead()) {
          this.#isHeldUp = true;
          return bytes;
        }
        if (left-- === 0) {
          this.#isOwed[this.#plan.thread] = this.#isAnyOwed = true;
          return bytes;
        }
        const length = ring.take(arena.bytes, tunRead, REGION_BYTES);
        bytes += length;
        if (length > 0) handOn(length);
      }
    }
    return bytes;
  }
}
