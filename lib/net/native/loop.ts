/**
 * The thread of the native engine: waits in poll, moves what is ready in both directions, and does
 * what time asks for. One turn: control, sockets, TUN device, timers.
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { EINTR } from "../../ffi/libc/errno.ts";
import { Libcrypto, type Opener, type Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import type { TunDevice } from "../../ffi/linux/tun.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { FlowTable } from "../../protocol/schedule/flow_table.ts";
import { Session } from "../../protocol/session/session.ts";
import { type EngineEvent, type EngineSession, SESSION_IDLE_MS } from "../engine.ts";
import { Codecs } from "./codecs.ts";
import { Inbound } from "./inbound.ts";
import { Layout } from "./layout.ts";
import { Outbound } from "./outbound.ts";
import { reportSession } from "../driver/report.ts";
import { sessionTuning } from "../driver/session_tuning.ts";
import { emitSessionEvents } from "../driver/session_events.ts";
import { SessionEntry, SessionTable } from "./sessions.ts";
import { type EngineSocket, SOCKETS_MAX, SocketTable } from "./sockets.ts";
import { TunWriter } from "./tun_writer.ts";
import { UdpSender } from "./udp_sender.ts";

/** struct pollfd: int fd, short events, short revents. */
const POLLFD_LENGTH = 8;
const POLLIN = 1;
/** Timers are looked at no more often than this while packets flow, and no less often when idle. */
const TICK_MIN_MS = 10;
const TICK_BUSY_MS = 20;
const TICK_MAX_MS = 10_000;
/** Entries of the poll set before the sockets. */
const POLL_CONTROL = 0;
const POLL_TUN = 1;
const POLL_SOCKETS = 2;

interface LoopOptions {
  readonly tun: TunDevice;
  /** Becomes readable when the loop has to look at its messages. */
  readonly wakeFd: number;
  /** The socket all sessions share (server), or null: each path brings its own (client). */
  readonly sharedSocket: EngineSocket & { readonly isV6: boolean } | null;
  readonly drops: Float64Array;
  readonly emit: (event: EngineEvent) => void;
  /** Handles the messages that wait; returns false when the loop is to end. */
  readonly handleMessages: (loop: Loop) => boolean;
}

interface LoopPath {
  readonly session: number;
  readonly id: number;
  readonly name: string;
  /** IP version of the datagrams. */
  readonly family: 4 | 6;
  readonly socket: EngineSocket;
}

export class Loop {
  readonly sessions = new SessionTable();
  readonly #libc: Libc;
  readonly #options: LoopOptions;
  readonly #libcrypto = Libcrypto.open();
  readonly #layout = new Layout();
  readonly #codecs = new Codecs(this.#layout.arena);
  readonly #sockets: SocketTable;
  readonly #drops: DropCounters;
  readonly #sender: UdpSender;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  readonly #pollfds: number;
  readonly #pollAddress: bigint;
  /** The socket numbers in the poll set, and their count as poll wants it. */
  #polled: number[] = [];
  #pollCount = 0n;
  #nextTick = 0;

  constructor(libc: Libc, options: LoopOptions) {
    this.#libc = libc;
    this.#options = options;
    const { tun, sharedSocket } = options;
    const { arena } = this.#layout;
    this.#drops = new DropCounters(options.drops);
    this.#sockets = new SocketTable(sharedSocket === null, sharedSocket?.isV6 ?? false);
    if (sharedSocket !== null) this.#sockets.add(sharedSocket);
    this.#sender = new UdpSender(libc, this.#sockets, this.#layout, this.#drops);
    const writer = new TunWriter(libc, tun, this.#layout, this.#drops);
    this.#outbound = new Outbound(
      libc,
      tun,
      this.#layout,
      this.sessions,
      new FlowTable({ seed: crypto.getRandomValues(new Int32Array(1))[0]! }),
      this.#sender,
      this.#drops,
      this.#codecs,
      writer,
    );
    this.#inbound = new Inbound(
      libc,
      this.#layout,
      this.#sockets,
      this.sessions,
      writer,
      this.#drops,
      this.#codecs,
    );
    this.#pollfds = arena.reserve((POLL_SOCKETS + SOCKETS_MAX) * POLLFD_LENGTH);
    this.#pollAddress = arena.address(this.#pollfds);
    this.#buildPollSet();
  }

  /** Runs until `handleMessages` says to end, or the TUN device is gone. */
  run(): void {
    const { view } = this.#layout.arena;
    const ready = (entry: number) => view.getInt16(this.#pollfds + entry * POLLFD_LENGTH + 6, true);
    for (;;) {
      const waitMs = Math.max(0, Math.ceil(this.#nextTick - performance.now()));
      const count = this.#libc.poll(this.#pollAddress, this.#pollCount, waitMs);
      const now = performance.now();
      if (count < 0 && count !== -EINTR) {
        throw new Error(`Cannot wait for packets: errno ${-count}`);
      }
      if (count > 0) {
        if (ready(POLL_CONTROL) !== 0) {
          this.#libc.clearEventfd(this.#options.wakeFd);
          if (!this.#options.handleMessages(this)) return;
          this.#nextTick = now;
          continue;
        }
        const polled = this.#polled;
        for (let i = 0; i < polled.length; i++) {
          if (ready(POLL_SOCKETS + i) !== 0) this.#inbound.run(polled[i]!, now);
        }
        const tun = ready(POLL_TUN);
        if (tun === POLLIN) this.#outbound.run(now);
        else if (tun !== 0) throw new Error("Cannot go on: the TUN device is gone");
        this.#sendControl(now);
        this.#nextTick = Math.min(this.#nextTick, now + TICK_BUSY_MS, this.#inbound.nextFlush);
      }
      if (now >= this.#nextTick) this.#tick(now);
    }
  }

  #tick(now: number): void {
    this.#inbound.flushReordered(now);
    let next = now + TICK_MAX_MS;
    for (const entry of this.sessions) {
      const { session } = entry;
      session.handleTimeout(now);
      next = Math.min(next, session.nextTimeout(), entry.closesAt);
      emitSessionEvents(session, this.#options.emit);
      if (now >= entry.closesAt) this.#drop(entry);
      else if (now - session.lastHeardAt >= SESSION_IDLE_MS) {
        this.#options.emit({ kind: "idle", session: session.id });
        this.#drop(entry);
      }
    }
    this.#sendControl(now);
    this.#nextTick = Math.max(now + TICK_MIN_MS, Math.min(next, this.#inbound.nextFlush));
  }

  /** Sends heartbeats, echoes and messages that wait. */
  #sendControl(now: number): void {
    const { arena, single } = this.#layout;
    for (const { session } of this.sessions) {
      for (let next = session.pollTransmit(); next !== null; next = session.pollTransmit()) {
        const { payload, type, path } = next;
        arena.bytes.set(payload, single);
        this.#outbound.sendControl(session, path, type, single, payload.length, now);
      }
    }
    this.#sender.flush(now);
  }

  openSession(spec: EngineSession): void {
    const now = performance.now();
    const session = new Session<Sealer, Opener>({
      role: spec.role,
      id: spec.id,
      key: spec.key,
      x1: spec.x1,
      suite: this.#libcrypto,
      random: (into) => crypto.getRandomValues(into),
      now,
      ...sessionTuning(spec),
    });
    spec.key.fill(0);
    this.sessions.add(new SessionEntry(session, spec));
  }

  closeSession(id: number): void {
    const entry = this.sessions.byId(id | 0);
    if (entry === undefined) return;
    entry.session.sayBye();
    this.#sendControl(performance.now());
    this.#drop(entry);
  }

  /** Adds a path with a socket of its own, which belongs to the loop from here on. */
  addPath(path: LoopPath): void {
    const { id, name, family } = path;
    const entry = this.sessions.byId(path.session | 0);
    if (entry === undefined || entry.session.paths.byId(id) !== null) {
      return this.#libc.closeFile(path.socket.fd);
    }
    const socket = this.#sockets.add(path.socket);
    entry.session.addPath({ id, name, socket, peer: null, family }, performance.now());
    this.#buildPollSet();
  }

  removePath(sessionId: number, id: number): void {
    const entry = this.sessions.byId(sessionId | 0);
    const path = entry?.session.paths.byId(id) ?? null;
    if (entry === undefined || path === null) return;
    entry.session.removePath(id, performance.now());
    this.#closeSocket(path.socket);
    this.#buildPollSet();
  }

  report() {
    const now = performance.now();
    return [...this.sessions]
      .filter((entry) => entry.closesAt === Infinity)
      .map(({ session, spec, reordering }) =>
        reportSession(session, spec.name, reordering.counters(), now)
      );
  }

  /** Ends all sessions, telling the peers. */
  close(): void {
    for (const entry of [...this.sessions]) this.closeSession(entry.session.id);
    this.#codecs.free();
  }

  #drop(entry: SessionEntry): void {
    this.sessions.remove(entry);
    if (this.#sockets.isConnected) {
      for (const path of entry.session.paths) this.#closeSocket(path.socket);
      this.#buildPollSet();
    }
    entry.session.free();
  }

  #closeSocket(number: number): void {
    this.#libc.closeFile(this.#sockets.get(number).fd);
    this.#sockets.remove(number);
  }

  #buildPollSet(): void {
    const { tun, wakeFd } = this.#options;
    const sockets = [...this.#sockets.entries()];
    this.#polled = sockets.map(([number]) => number);
    const fds = [wakeFd, tun.fd, ...sockets.map(([, socket]) => socket.fd)];
    const { view } = this.#layout.arena;
    for (const [entry, fd] of fds.entries()) {
      view.setInt32(this.#pollfds + entry * POLLFD_LENGTH, fd, true);
      view.setInt16(this.#pollfds + entry * POLLFD_LENGTH + 4, POLLIN, true);
    }
    this.#pollCount = BigInt(fds.length);
  }
}
