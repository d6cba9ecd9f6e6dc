/**
 * The data plane on the event loop: Deno's UDP sockets and WebCrypto, and libc for the TUN device
 * alone. It keeps the promise of `Engine` and the wire of the native engine with the same core;
 * what that has and this has not is speed, and the choice of the local address of a server's answers.
 */
import { isIPv6 } from "node:net";
import { AsyncPoll } from "../../ffi/libc/async_poll.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { openTun } from "../../ffi/linux/tun.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { Session } from "../../protocol/session/session.ts";
import {
  type Engine,
  type EngineEvent,
  type EngineOptions,
  type EnginePath,
  type EngineSession,
  SESSION_IDLE_MS,
  type SessionReport,
} from "../engine.ts";
import { FEATURE_X1 } from "../driver/features.ts";
import { reportSession } from "../driver/report.ts";
import { sessionTuning } from "../driver/session_tuning.ts";
import { emitSessionEvents } from "../driver/session_events.ts";
import { DatagramSocket } from "./datagram_socket.ts";
import { Delivery } from "./delivery.ts";
import { Inbound } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import { SessionEntry, SessionTable } from "./sessions.ts";
import { SocketTable } from "./socket_table.ts";
import { TunPort } from "./tun_port.ts";
import { WEB_CRYPTO_SUITE } from "./web_crypto.ts";

/** Timers are looked at no more often than this while packets flow, and no less often when idle. */
const TICK_MIN_MS = 10;
const TICK_BUSY_MS = 20;
const TICK_MAX_MS = 10_000;
/** What is still to be sent when a session ends must have left by then. */
const LAST_WORDS_MS = 1000;
/** A TUN device that cannot be read, because it is down, is asked again after this. */
const TUN_RETRY_MS = 100;

type PortableEngineOptions = Omit<EngineOptions, "workerModule">;

export class PortableEngine implements Engine {
  readonly name = "portable";
  readonly features = [FEATURE_X1];
  readonly drops = new DropCounters();
  readonly #libc: Libc;
  readonly #onEvent: (event: EngineEvent) => void;
  readonly #sessions = new SessionTable();
  readonly #sockets = new SocketTable();
  readonly #tunFd: number;
  readonly #tunPoll: AsyncPoll;
  readonly #outbound: Outbound;
  readonly #delivery: Delivery;
  readonly #inbound: Inbound;
  /** What runs on until its socket or the TUN device is closed, and sockets that are being closed. */
  readonly #tasks = new Set<Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tickAt = Infinity;
  #isStopping = false;
  #stopped: Promise<void> | null = null;

  /** @throws SyscallError (EADDRINUSE among them) and TunError. */
  constructor(options: PortableEngineOptions) {
    const { libc, role } = options;
    this.#libc = libc;
    this.#onEvent = options.onEvent;
    const shared = role.kind === "server" ? DatagramSocket.openServer(libc, role.port) : null;
    try {
      this.#tunFd = openTun(libc, options.tunName, false).fd;
    } catch (error) {
      shared?.close();
      throw error;
    }
    try {
      this.#tunPoll = new AsyncPoll(libc, this.#tunFd);
    } catch (error) {
      shared?.close();
      libc.closeFile(this.#tunFd);
      throw error;
    }
    const fail = (error: unknown) => this.#fail(error);
    const tun = new TunPort(libc, this.#tunFd);
    this.#outbound = new Outbound(tun, this.#sessions, this.#sockets, this.drops, fail);
    this.#delivery = new Delivery(this.#sessions, tun, this.drops);
    this.#inbound = new Inbound(this.#sessions, this.#delivery, this.drops, {
      accepted: (entry, now) => this.#accepted(entry, now),
      fail,
    });
    if (shared !== null) {
      this.#start(this.#inbound.run(this.#sockets.add(shared, null), shared, false));
    }
    this.#start(this.#runTun());
  }

  openSession(spec: EngineSession): void {
    if (this.#isStopping) return;
    const now = performance.now();
    const session = new Session({
      role: spec.role,
      id: spec.id,
      key: spec.key,
      x1: spec.x1,
      suite: WEB_CRYPTO_SUITE,
      random: (into) => crypto.getRandomValues(into),
      now,
      ...sessionTuning(spec),
    });
    this.#sessions.add(new SessionEntry(session, { ...spec, key: new Uint8Array(0) }));
    this.#tickBy(now);
  }

  closeSession(id: number): void {
    const entry = this.#sessions.byId(id | 0);
    if (entry === undefined) return;
    entry.session.sayBye();
    this.#outbound.sendControl(entry.session, performance.now());
    this.#drop(entry);
  }

  addPath(sessionId: number, path: EnginePath): void {
    const { id, name, server, port } = path;
    const entry = this.#sessions.byId(sessionId | 0);
    if (entry === undefined || entry.session.paths.byId(id) !== null) return;
    const socket = DatagramSocket.openPath(this.#libc, path);
    const now = performance.now();
    try {
      const number = this.#sockets.add(socket, { transport: "udp", hostname: server, port });
      const family = isIPv6(server) ? 6 : 4;
      entry.session.addPath({ id, name, socket: number, peer: null, family }, now);
      this.#start(this.#inbound.run(number, socket, true));
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#tickBy(now);
  }

  removePath(sessionId: number, id: number): void {
    const entry = this.#sessions.byId(sessionId | 0);
    const path = entry?.session.paths.byId(id) ?? null;
    if (entry === undefined || path === null) return;
    entry.session.removePath(id, performance.now());
    this.#closeSocket(path.socket);
  }

  report(): Promise<SessionReport[]> {
    const now = performance.now();
    const reports = [...this.#sessions]
      .filter((entry) => entry.closesAt === Infinity)
      .map(({ session, spec, reordering }) =>
        reportSession(session, spec.name, reordering.counters(), now)
      );
    return Promise.resolve(reports);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    for (const entry of [...this.#sessions]) this.closeSession(entry.session.id);
    this.#closeAfterLastWords(this.#sockets.numbers());
    this.#tunPoll.wake();
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    await this.#inbound.whenDone();
    this.#tunPoll.close();
    this.#libc.closeFile(this.#tunFd);
  }

  /** Lets a task run by itself; its failure is the engine's. */
  #start(task: Promise<void>): void {
    const started = task.catch((error) => this.#fail(error))
      .then(() => void this.#tasks.delete(started));
    this.#tasks.add(started);
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#onEvent({ kind: "fault", message });
  }

  async #runTun(): Promise<void> {
    while (!this.#isStopping) {
      const readiness = await this.#tunPoll.wait();
      if (readiness === "woken") return;
      if (readiness === "gone") throw new Error("Cannot go on: the TUN device is gone");
      const now = performance.now();
      const isReadable = this.#outbound.run(now) === 0;
      this.#tickBy(now + TICK_BUSY_MS);
      if (isReadable) await this.#outbound.whenRoom();
      else await new Promise((resolve) => setTimeout(resolve, TUN_RETRY_MS));
    }
  }

  #accepted({ session }: SessionEntry, now: number): void {
    this.#outbound.sendControl(session, now);
    this.#tickBy(Math.min(now + TICK_BUSY_MS, this.#delivery.nextFlush));
  }

  /** Sees to it that what time asks for is done by then. */
  #tickBy(at: number): void {
    if (this.#isStopping || at >= this.#tickAt) return;
    clearTimeout(this.#timer);
    this.#tickAt = at;
    const waitMs = Math.max(0, at - performance.now());
    this.#timer = setTimeout(() => this.#tick(performance.now()), waitMs);
  }

  #tick(now: number): void {
    this.#tickAt = Infinity;
    this.#delivery.flush(now);
    let next = now + TICK_MAX_MS;
    for (const entry of this.#sessions) {
      const { session } = entry;
      session.handleTimeout(now);
      next = Math.min(next, session.nextTimeout(), entry.closesAt);
      emitSessionEvents(session, this.#onEvent);
      this.#outbound.sendControl(session, now);
      if (now >= entry.closesAt) this.#drop(entry);
      else if (now - session.lastHeardAt >= SESSION_IDLE_MS) {
        this.#onEvent({ kind: "idle", session: session.id });
        this.#drop(entry);
      }
    }
    this.#tickBy(Math.max(now + TICK_MIN_MS, Math.min(next, this.#delivery.nextFlush)));
  }

  #drop(entry: SessionEntry): void {
    const { session } = entry;
    this.#sessions.remove(entry);
    // The ciphers go on with what they have begun.
    session.free();
    const numbers = [...session.paths].map(({ socket }) => socket);
    this.#closeAfterLastWords(numbers.filter((number) => this.#sockets.server(number) !== null));
  }

  /** Closes sockets when what is on its way to them has left, or has had its time. */
  #closeAfterLastWords(numbers: readonly number[]): void {
    this.#start((async () => {
      const timeout = Promise.withResolvers<void>();
      const timer = setTimeout(timeout.resolve, LAST_WORDS_MS);
      const sent = this.#outbound.whenDone().then(async () => {
        for (const number of numbers) await this.#sockets.get(number)?.whenSent();
      });
      await Promise.race([sent, timeout.promise]);
      clearTimeout(timer);
      for (const number of numbers) this.#closeSocket(number);
    })());
  }

  #closeSocket(number: number): void {
    this.#sockets.get(number)?.close();
    this.#sockets.remove(number);
  }
}
