/** The sessions of an engine, found by session id or by the client's inner address. */
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import type { RouterAddress } from "../../protocol/packet/too_big.ts";
import { IPV6_MTU_MIN } from "../../protocol/packet/ip.ts";
import { ipv4Word, ipv6Words } from "../../protocol/packet/inner_address.ts";
import { PrefixTable } from "../../protocol/packet/prefix_table.ts";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { Session } from "../../protocol/session/session.ts";
import { DEFAULT_NETWORK } from "../../protocol/wire/tunnel_network.ts";
import { type EngineSession, REPLACED_SESSION_MS } from "../engine.ts";
import type { ClientLimits } from "./client_limits.ts";
import type { PacketCells } from "./packet_cells.ts";
import { FlowOrdering, type PacketPlace } from "./flow_ordering.ts";
import { PacketStore } from "./packet_store.ts";
import { Reordering } from "./reordering.ts";
import type { Repairing } from "./repairing.ts";
import type { Timed } from "./timer_heap.ts";

/** Of a client's own sessions; no inner address, as a word, is this. */
const OWN_PLACE = 2 ** 32;

/** A session with the state that the driver keeps for it. */
export class SessionEntry<S extends Cipher, O extends Cipher> implements Timed {
  readonly reordering: Reordering;
  /** What the scheduler holds back. */
  readonly store: PacketStore;
  /** When the next of that may leave. */
  readonly departure: Timed & { readonly entry: SessionEntry<S, O> } = {
    entry: this,
    dueAt: Infinity,
    heapIndex: -1,
  };
  /** When the entry is to be dropped; Infinity while it is in use. */
  closesAt = Infinity;
  /** Whether packets still go to the session before this one: nothing has been heard on it yet. */
  isPending = false;
  /** When packets that wait for others are to be delivered at the latest. */
  flushAt = Infinity;
  /** What the peer covers by repair records; null: nothing at present. */
  repairing: Repairing | null = null;
  /** When that is to be looked at. */
  repairAt = Infinity;
  /** Whether it may have control records to send in this turn. */
  isTouched = false;
  isDropped = false;
  /** Bytes of the tunnel's packets in both directions, and as what they were carried. */
  readonly compression = { plainBytes: 0, carriedBytes: 0 };
  dueAt = Infinity;
  heapIndex = -1;
  /** Puts packets of flows that use several paths in order; null before there is one. */
  flowOrdering: FlowOrdering | null = null;
  /** On a server: what the client is held to; null: nothing is prescribed. */
  limits: ClientLimits | null = null;
  readonly #cells: PacketCells;
  /**
   * Who answers packets that are too big for the paths: the other end of the tunnel, since a host takes
   * no packet from an address of its own.
   */
  readonly router: RouterAddress;
  readonly #ipv4: number;
  readonly #ipv6: readonly [number, number, number, number];

  /**
   * @param cells memory for packets that wait for others.
   * @param storeCells memory for packets that a scheduler holds back.
   * @param firstSequence the first sequence number of every stream; 1 unless told.
   */
  constructor(
    readonly session: Session<S, O>,
    readonly spec: EngineSession,
    cells: PacketCells,
    storeCells: PacketCells = cells,
    firstSequence?: number,
  ) {
    this.#ipv4 = ipv4Word(spec.ipv4);
    this.#ipv6 = ipv6Words(spec.ipv6);
    const { role, server = DEFAULT_NETWORK.server } = spec;
    this.router = role === "server"
      ? { ipv4: this.#ipv4, ipv6: this.#ipv6 }
      : { ipv4: ipv4Word(server.ipv4), ipv6: ipv6Words(server.ipv6) };
    this.#cells = cells;
    this.store = new PacketStore(storeCells);
    this.reordering = new Reordering({
      capacity: spec.reorderBufferSize,
      flushTimeoutMs: spec.reorderFlushTimeoutMs,
      ...(firstSequence === undefined ? {} : { firstSequence }),
    }, cells);
  }

  /** Hot. @param deliver takes packets whose turn has come, until they are flushed. */
  ordering(deliver: (entry: SessionEntry<S, O>, at: PacketPlace) => void): FlowOrdering {
    return this.flowOrdering ??= new FlowOrdering(this.#cells, (at) => deliver(this, at));
  }

  /**
   * Hot. The largest packet to send, in bytes. IPv6 hosts may ignore a path MTU below 1280 (RFC 8200,
   * section 5), so the server sends packets up to that size in datagrams that may be fragmented.
   */
  packetBytesMax({ version }: FlowKey): number {
    const { packetBytesMax } = this.session;
    const isOwed = version === 6 && this.spec.role === "server";
    return isOwed ? Math.max(packetBytesMax, IPV6_MTU_MIN) : packetBytesMax;
  }

  /** Whether packets to the client go through this session, none before or after it. */
  get isInUse(): boolean {
    return !this.isPending && this.closesAt === Infinity;
  }

  get ipv4(): number {
    return this.#ipv4;
  }

  /** The last word of the inner IPv6 address: enough to find an entry, not to trust it. */
  get ipv6Tail(): number {
    return this.#ipv6[3];
  }

  /** Sessions of one place replace each other: a client has one; on a server each inner address is one. */
  get place(): number {
    return this.spec.role === "client" ? OWN_PLACE : this.#ipv4;
  }

  /** Hot. Whether the packet comes from the client's own inner address. */
  isSource(flow: FlowKey): boolean {
    return flow.version === 4 ? flow.source3 === this.#ipv4 : flow.source3 === this.#ipv6[3] &&
      flow.source2 === this.#ipv6[2] && flow.source1 === this.#ipv6[1] &&
      flow.source0 === this.#ipv6[0];
  }

  /** Hot. Whether the packet goes to the client's own inner address. */
  isDestination(flow: FlowKey): boolean {
    return flow.version === 4
      ? flow.destination3 === this.#ipv4
      : flow.destination3 === this.#ipv6[3] && flow.destination2 === this.#ipv6[2] &&
        flow.destination1 === this.#ipv6[1] && flow.destination0 === this.#ipv6[0];
  }
}

export class SessionTable<S extends Cipher, O extends Cipher>
  implements Iterable<SessionEntry<S, O>> {
  readonly #byId = new Map<number, SessionEntry<S, O>>();
  readonly #byIpv4 = new Map<number, SessionEntry<S, O>>();
  readonly #byIpv6Tail = new Map<number, SessionEntry<S, O>>();
  /** The sessions of each place, in the order they were added. */
  readonly #byPlace = new Map<number, SessionEntry<S, O>[]>();
  /** The places of prefixes behind clients. */
  readonly #routes = new PrefixTable<number>();
  /** The client's own session, through which everything goes. */
  #own: SessionEntry<S, O> | null = null;

  [Symbol.iterator](): Iterator<SessionEntry<S, O>> {
    return this.#byId.values();
  }

  /** The client's own session, or null. */
  get own(): SessionEntry<S, O> | null {
    return this.#own;
  }

  get size(): number {
    return this.#byId.size;
  }

  /**
   * Adds an entry. An entry that it replaces gets the packets until `promote`: make before break.
   */
  add(entry: SessionEntry<S, O>): void {
    const before = this.#byPlace.get(entry.place);
    if (before === undefined) this.#byPlace.set(entry.place, [entry]);
    else before.push(entry);
    entry.isPending ||= before !== undefined;
    this.#byId.set(entry.session.id | 0, entry);
    if (!entry.isPending) this.#use(entry);
  }

  /** The sessions that replace each other with this one, itself among them, in the order of `add`. */
  ofPlace({ place }: SessionEntry<S, O>): readonly SessionEntry<S, O>[] {
    return this.#byPlace.get(place) ?? [];
  }

  /**
   * The prefixes behind the client of a session, in the place of those before, as long as it has a
   * session. @throws RangeError for what is no prefix, or overlaps that of another client.
   */
  setRoutes({ place }: SessionEntry<S, O>, prefixes: readonly string[]): void {
    this.#routes.remove(place);
    for (const prefix of prefixes) this.#routes.add(prefix, place);
  }

  /** The peer was heard on the entry: it gets the packets now, and the one before is dropped soon. */
  promote(entry: SessionEntry<S, O>, now: number): void {
    // In the order they were added, so a late packet cannot bring back one of those before.
    for (const older of this.ofPlace(entry)) {
      if (older === entry) break;
      older.isPending = false;
      older.closesAt = Math.min(older.closesAt, now + REPLACED_SESSION_MS);
    }
    entry.isPending = false;
    this.#use(entry);
  }

  #use(entry: SessionEntry<S, O>): void {
    this.#byIpv4.set(entry.ipv4, entry);
    this.#byIpv6Tail.set(entry.ipv6Tail, entry);
    if (entry.spec.role === "client") this.#own = entry;
  }

  remove(entry: SessionEntry<S, O>): void {
    this.#byId.delete(entry.session.id | 0);
    const others = this.ofPlace(entry).filter((other) => other !== entry);
    if (others.length > 0) this.#byPlace.set(entry.place, others);
    else this.#forgetPlace(entry.place);
    if (this.#byIpv4.get(entry.ipv4) === entry) this.#byIpv4.delete(entry.ipv4);
    if (this.#byIpv6Tail.get(entry.ipv6Tail) === entry) this.#byIpv6Tail.delete(entry.ipv6Tail);
    if (this.#own === entry) this.#own = null;
  }

  /** Hot. @param id as a signed 32-bit number. */
  byId(id: number): SessionEntry<S, O> | undefined {
    return this.#byId.get(id);
  }

  /** Hot. The session a packet read from the TUN device belongs to. */
  forPacket(flow: FlowKey): SessionEntry<S, O> | null {
    if (this.#own !== null) return this.#own;
    const entry = flow.version === 4
      ? this.#byIpv4.get(flow.destination3)
      : this.#byIpv6Tail.get(flow.destination3);
    return entry !== undefined && entry.isDestination(flow) ? entry : this.#behind(flow);
  }

  /** Hot. The session whose client has the packet's destination behind it. */
  #behind(flow: FlowKey): SessionEntry<S, O> | null {
    if (this.#routes.size === 0) return null;
    const { version, destination0, destination1, destination2, destination3 } = flow;
    const place = this.#routes.find(
      version,
      destination0,
      destination1,
      destination2,
      destination3,
    );
    return place === undefined ? null : this.#byIpv4.get(place) ?? null;
  }

  #forgetPlace(place: number): void {
    this.#byPlace.delete(place);
    if (this.#routes.size > 0) this.#routes.remove(place);
  }
}
