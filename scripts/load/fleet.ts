/**
 * Many clients in one thread: the sessions are the product's own, the sockets and the cipher, too. What
 * is missing is the TUN device: each client pings the server through the tunnel itself, and takes the
 * answers.
 *
 * The clients share a few sockets on each link. The server tells them apart by their sessions, so this
 * costs it nothing and saves it nothing: no two datagrams are joined on the way.
 */
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { Libcrypto, type Opener, type Sealer } from "../../lib/ffi/libcrypto/aes_gcm.ts";
import { openPathSocket, SOL_UDP, UDP_GRO } from "../../lib/ffi/linux/socket.ts";
import { Arena } from "../../lib/ffi/memory/arena.ts";
import { TimerHeap } from "../../lib/net/driver/timer_heap.ts";
import { PollSet } from "../../lib/net/native/poll_set.ts";
import { SocketTable } from "../../lib/net/native/sockets.ts";
import { OutgoingRecord } from "../../lib/protocol/crypto/outgoing_record.ts";
import { FlowKey, readFlowKey } from "../../lib/protocol/packet/flow_key.ts";
import type { SessionPath } from "../../lib/protocol/path/session_path.ts";
import type { Departure } from "../../lib/protocol/schedule/scheduler.ts";
import { FlowTable } from "../../lib/protocol/schedule/flow_table.ts";
import {
  decodeHeader,
  HEADER_LENGTH,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  RecordHeader,
  TYPE_PACKET,
} from "../../lib/protocol/wire/header.ts";
import { US_PER_MS } from "../../lib/protocol/wire/units.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { readEchoReply, writeEchoRequest } from "./echo_packet.ts";
import type { FleetFigures, FleetLink, Pings } from "./fleet_figures.ts";
import { SimulatedClient } from "./simulated_client.ts";

/** Each wait of the kernel's looks at every socket. */
const SOCKETS_PER_LINK = 8;
/** Between turns of clients that have much to do: what comes meanwhile is taken together. */
const COLLECT_MS = 1;
/** Much is so many records in the last turn, which is a thousand a second and more. */
const MUCH_RECORDS = 4;
/**
 * Datagrams taken from one socket before the others get their turn. In a turn each client may send: if
 * less were taken than comes meanwhile, clients that are answered would take themselves for unanswered.
 */
const RECEIVES_PER_TURN = 4096;
const RECORD_BYTES_MAX = 2048;
const RECORD_LENGTH = BigInt(RECORD_BYTES_MAX);
const CONTROL_BYTES = 8192;
const ROUND_TRIPS_MAX = 200_000;
const NO_FD = -1;

export class Fleet implements Disposable {
  readonly #libc: Libc;
  readonly #suite = Libcrypto.open();
  readonly #links: readonly FleetLink[];
  readonly #sockets = new SocketTable(true, false);
  /** By link, the numbers of its sockets. */
  readonly #byLink: number[][];
  readonly #arena = new Arena(4 * RECORD_BYTES_MAX + CONTROL_BYTES);
  readonly #received = this.#arena.reserve(RECORD_BYTES_MAX);
  readonly #sent = this.#arena.reserve(RECORD_BYTES_MAX);
  readonly #packet = this.#arena.reserve(RECORD_BYTES_MAX);
  readonly #poll: PollSet;
  readonly #clients = new Map<number, SimulatedClient>();
  readonly #timers = new TimerHeap<SimulatedClient>();
  /** Those to which something has come in this turn. */
  readonly #touched: SimulatedClient[] = [];
  readonly #flows = new FlowTable();
  readonly #flow = new FlowKey();
  readonly #header = new RecordHeader();
  readonly #outgoing = new OutgoingRecord();
  readonly #lengths: bigint[] = [];
  readonly #serverAddress: string;
  readonly #scheduler: SchedulerName;
  #roundTrips: number[] = [];
  #sentPings = 0;
  #answered = 0;
  #unasked = 0;
  #refused = 0;
  /** Of this turn. */
  #records = 0;
  #lateMs = 0;
  /** Of each ping, in bytes. */
  #pingBytes = 0;
  #pingsTogether = 1;

  /** @throws SyscallError when a link cannot be used. */
  constructor(
    libc: Libc,
    links: readonly FleetLink[],
    port: number,
    serverAddress: string,
    scheduler: SchedulerName,
  ) {
    this.#libc = libc;
    this.#links = links;
    this.#serverAddress = serverAddress;
    this.#scheduler = scheduler;
    this.#byLink = links.map(({ device, server }) =>
      Array.from({ length: SOCKETS_PER_LINK }, () => {
        const { fd, gso } = openPathSocket(libc, { device, server, port });
        // One datagram a read: what the server sends together is taken apart by the kernel.
        libc.setOption(fd, SOL_UDP, UDP_GRO, 0, "take datagrams one by one");
        return this.#sockets.add({ fd, gso });
      })
    );
    this.#poll = new PollSet(libc, this.#arena, NO_FD, NO_FD);
    this.#poll.watch(this.#sockets);
  }

  get paths(): number {
    return this.#clients.size * this.#links.length;
  }

  /** Paths that work. Looks at all of them. */
  pathsUp(): number {
    let count = 0;
    for (const { session } of this.#clients.values()) {
      for (const { liveness } of session.paths) if (liveness.state === "up") count++;
    }
    return count;
  }

  /** How late the last turn was for the client that had waited longest. */
  get lateMs(): number {
    return this.#lateMs;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** Opens the session that a client was granted, with a path on each link. */
  admit(grant: ControlGrant): void {
    const now = performance.now();
    const client = new SimulatedClient(grant, this.#suite, this.#flows, this.#scheduler, now);
    for (const [id, { device }] of this.#links.entries()) {
      const sockets = this.#byLink[id]!;
      const socket = sockets[this.#clients.size % sockets.length]!;
      client.session.addPath({ id, name: device, socket, peer: null, family: 4 }, now);
    }
    this.#clients.set(grant.sessionId | 0, client);
    this.#timers.schedule(client, now);
  }

  /**
   * From now on the first `clients` clients send `pings` of `bytes` together every `everyMs`; the others
   * rest.
   */
  ping(clients: number, { bytes, everyMs, pings = 1 }: Pings): void {
    this.#pingBytes = bytes;
    this.#pingsTogether = pings;
    let index = 0;
    for (const client of this.#clients.values()) {
      const now = performance.now();
      const isAsked = index++ < clients;
      client.pingEveryMs = isAsked ? everyMs : Infinity;
      client.pingAt = isAsked ? now + Math.random() * everyMs : Infinity;
      this.#schedule(client, now);
    }
  }

  /** What came of the time since this was asked last. */
  takeFigures(): FleetFigures {
    const roundTrips = this.#roundTrips.sort((a, b) => a - b);
    const at = (share: number) => roundTrips[Math.floor((roundTrips.length - 1) * share)]!;
    const figures = {
      sent: this.#sentPings,
      answered: this.#answered,
      unasked: this.#unasked,
      refused: this.#refused,
      pathsUp: this.pathsUp(),
      paths: this.paths,
      roundTripMs: roundTrips.length === 0 ? null : { median: at(0.5), p99: at(0.99) },
    };
    this.#roundTrips = [];
    this.#sentPings =
      this.#answered =
      this.#unasked =
      this.#refused =
        0;
    return figures;
  }

  /** Waits `waitMs` at most, and does what is to be done. */
  turn(waitMs: number): void {
    if (this.#records >= MUCH_RECORDS) this.#poll.pause(COLLECT_MS);
    this.#records = 0;
    const before = performance.now();
    const count = this.#poll.wait(Math.min(waitMs, this.#timers.nextAt - before), null, false);
    if (count > 0) {
      for (let place = 0; place < this.#poll.sockets; place++) {
        if (this.#poll.isReadable(place)) this.#receive(this.#poll.socket(place));
      }
      this.#answer(performance.now());
    }
    const now = performance.now();
    this.#lateMs = Math.max(0, now - this.#timers.nextAt);
    for (let due = this.#timers.due(now); due !== null; due = this.#timers.due(now)) {
      if (now >= due.pingAt) this.#sendPings(due, now);
      if (now >= due.timeoutAt) due.session.handleTimeout(now);
      this.#say(due, now);
    }
  }

  /** Says good-bye for all clients. */
  [Symbol.dispose](): void {
    const now = performance.now();
    for (const client of this.#clients.values()) {
      client.session.sayBye();
      this.#say(client, now);
      client.session.free();
    }
    for (const [, { fd }] of this.#sockets.entries()) this.#libc.closeFile(fd);
  }

  /** What the clients have to say to what has come. */
  #answer(now: number): void {
    for (const client of this.#touched) {
      client.isTouched = false;
      this.#say(client, now);
    }
    this.#touched.length = 0;
  }

  #receive(socket: number): void {
    const { fd } = this.#sockets.get(socket);
    const record = this.#received;
    const address = this.#arena.address(record);
    for (let receives = 0; receives < RECEIVES_PER_TURN; receives++) {
      const length = this.#libc.read(fd, address, RECORD_LENGTH);
      if (length <= 0) return;
      const now = performance.now();
      this.#records++;
      if (!this.#accept(record, length, socket, now)) this.#refused++;
    }
  }

  #accept(record: number, length: number, socket: number, now: number): boolean {
    const header = this.#header;
    const { view, bytes } = this.#arena;
    if (decodeHeader(view, record, length, header) !== null) return false;
    const client = this.#clients.get(header.session);
    const opener = client?.session.openerFor(view, record, header, now) ?? null;
    if (client === undefined || opener === null || !this.#open(opener, record)) return false;
    const path = client.session.accept(header, view, record, socket, null, now);
    if (path === null) return false;
    const payload = record + PAYLOAD_OFFSET;
    const { payloadLength } = header;
    if (header.type === TYPE_PACKET) {
      client.session.notePacketReceived(path, now);
      const sentAt = readEchoReply(view, payload, payloadLength);
      if (sentAt !== null) {
        this.#answered++;
        if (this.#roundTrips.length < ROUND_TRIPS_MAX) this.#roundTrips.push(now - sentAt);
      } else this.#unasked++;
    } else {
      const message = bytes.subarray(payload, payload + payloadLength);
      client.session.receiveControl(header.type, message, path, now);
    }
    if (!client.isTouched) {
      client.isTouched = true;
      this.#touched.push(client);
    }
    return true;
  }

  #open(opener: Opener, record: number): boolean {
    const arena = this.#arena;
    const text = arena.address(record + PAYLOAD_OFFSET);
    const { payloadLength } = this.#header;
    return opener.open(
      arena.address(record + HEADER_LENGTH),
      arena.address(record),
      HEADER_LENGTH,
      text,
      payloadLength,
      text,
      arena.address(record + PAYLOAD_OFFSET + payloadLength),
    );
  }

  #say(client: SimulatedClient, now: number): void {
    const { session } = client;
    const outgoing = this.#outgoing;
    for (let next = session.pollTransmit(); next !== null; next = session.pollTransmit()) {
      outgoing.type = next.type;
      outgoing.sequence = 0;
      this.#arena.bytes.set(next.payload, this.#sent + PAYLOAD_OFFSET);
      this.#send(client, next.path, next.payload.length, now);
    }
    while (session.pollEvent() !== null);
    const { scheduler } = session.scheduling;
    for (let next = scheduler.poll(now); next !== null; next = scheduler.poll(now)) {
      this.#depart(client, next, now);
    }
    this.#schedule(client, now);
  }

  #schedule(client: SimulatedClient, now: number): void {
    const { session, pingAt } = client;
    client.timeoutAt = session.nextTimeout();
    const departsAt = session.scheduling.scheduler.nextDeparture(now);
    const next = Math.min(client.timeoutAt, departsAt, pingAt);
    this.#timers.schedule(client, Math.max(now + 1, next));
  }

  #sendPings(client: SimulatedClient, now: number): void {
    client.pingAt = Math.max(client.pingAt + client.pingEveryMs, now);
    for (let count = 0; count < this.#pingsTogether; count++) this.#sendPing(client, now);
  }

  #sendPing(client: SimulatedClient, now: number): void {
    const { view } = this.#arena;
    const length = this.#pingBytes;
    writeEchoRequest(view, this.#packet, length, client.ipv4, this.#serverAddress, 0, now);
    readFlowKey(view, this.#packet, length, this.#flow);
    const { scheduler } = client.session.scheduling;
    const slot = client.takeSlot();
    if (slot === -1) return;
    const mayLeave = scheduler.begin(this.#flow, length, now);
    const departure = mayLeave ? scheduler.offer(slot, length, now) : null;
    if (departure !== null) this.#depart(client, departure, now);
    // What is not kept has left, or never will.
    if (!mayLeave || !scheduler.holdsPackets) client.releaseSlot(slot);
  }

  /** Sends a ping that the scheduler lets go, as of now. */
  #depart(client: SimulatedClient, departure: Departure, now: number): void {
    const { session } = client;
    const { bytes, view } = this.#arena;
    const packet = this.#packet;
    const length = this.#pingBytes;
    const path = departure.paths[0];
    if (path !== undefined && length > 0) {
      const sequence = client.pings++;
      writeEchoRequest(view, packet, length, client.ipv4, this.#serverAddress, sequence, now);
      session.notePacketSent(path, now);
      const outgoing = this.#outgoing;
      outgoing.type = TYPE_PACKET;
      outgoing.flags = departure.flags;
      outgoing.sequence = session.nextSequence(departure.stream);
      bytes.copyWithin(this.#sent + PAYLOAD_OFFSET, packet, packet + length);
      this.#send(client, path, length, now);
      outgoing.flags = 0;
      this.#sentPings++;
    }
    const isHeld = session.scheduling.scheduler.holdsPackets;
    if (isHeld && !departure.isKept) client.releaseSlot(departure.slot);
  }

  #send(client: SimulatedClient, path: SessionPath, length: number, now: number): void {
    const arena = this.#arena;
    const record = this.#sent;
    this.#outgoing.sendTime = Math.round(now * US_PER_MS) >>> 0;
    const sealer = client.session.writeRecord(arena.view, record, path, length, this.#outgoing);
    this.#seal(sealer, record, length);
    const bytes = length + RECORD_OVERHEAD;
    const { fd } = this.#sockets.get(path.socket);
    this.#libc.write(fd, arena.address(record), this.#lengths[bytes] ??= BigInt(bytes));
  }

  #seal(sealer: Sealer, record: number, length: number): void {
    const arena = this.#arena;
    const text = arena.address(record + PAYLOAD_OFFSET);
    sealer.seal(
      arena.address(record + HEADER_LENGTH),
      arena.address(record),
      HEADER_LENGTH,
      text,
      length,
      text,
      arena.address(record + PAYLOAD_OFFSET + length),
    );
  }
}
