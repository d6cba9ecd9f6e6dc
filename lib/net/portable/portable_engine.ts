/**
 * The data plane on the event loop: Deno's UDP sockets and WebCrypto, and libc for the TUN device
 * alone. It keeps the promise of `Engine` and the wire of the native engine with the same driver. The
 * native engine is faster, and chooses the local address of a server's answers.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { isIPv6 } from "node:net";
import { AsyncPoll } from "../../ffi/libc/async_poll.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { openTun } from "../../ffi/linux/tun.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { checkPathRule, type PathRule } from "../../protocol/wire/path_rule.ts";
import { Driver } from "../driver/driver.ts";
import { FEATURE_ORDER, FEATURE_REPAIR, FEATURE_X1 } from "../driver/features.ts";
import { Offload } from "../driver/offload.ts";
import type {
  Engine,
  EngineEvent,
  EngineOptions,
  EnginePath,
  EngineSession,
  SessionHeard,
  SessionLimits,
  SessionReport,
} from "../engine.ts";
import { DatagramReceiver } from "./datagram_receiver.ts";
import { DatagramSocket } from "./datagram_socket.ts";
import { GzipCodecs, makeMemory } from "./gzip_codecs.ts";
import { RecordSender } from "./record_sender.ts";
import { SocketTable } from "./socket_table.ts";
import { TunPort } from "./tun_port.ts";
import { WEB_CRYPTO_SUITE, type WebOpener, type WebSealer } from "./web_crypto.ts";

/** Reading a TUN device that is down is retried after this. */
const TUN_RETRY_MS = 100;
/** While the scheduler holds too much, the TUN device is left unread for this. */
const FULL_RETRY_MS = 1;
/** Packets read before the other direction gets its turn. */
const READS_PER_TURN = 32;

type PortableEngineOptions = Omit<EngineOptions, "workerModule">;

export class PortableEngine implements Engine {
  readonly name = "portable";
  readonly features = [FEATURE_X1, FEATURE_ORDER, FEATURE_REPAIR];
  readonly drops = new DropCounters();
  readonly #libc: Libc;
  readonly #onEvent: (event: EngineEvent) => void;
  readonly #sockets = new SocketTable();
  readonly #tunFd: number;
  readonly #tunPoll: AsyncPoll;
  readonly #tun: TunPort;
  readonly #sender: RecordSender;
  readonly #driver: Driver<WebSealer, WebOpener>;
  readonly #receiver: DatagramReceiver;
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
    const made = makeMemory();
    this.#tun = new TunPort(libc, this.#tunFd, this.drops);
    this.#sender = new RecordSender(this.#sockets, this.drops, {
      observer: () => this.#driver,
      start: (task) => this.#start(task),
      fail,
    });
    this.#driver = new Driver({
      suite: WEB_CRYPTO_SUITE,
      random: (into) => crypto.getRandomValues(into),
      flowSeed: crypto.getRandomValues(new Int32Array(1))[0]!,
      unixOffsetMs: Date.now() - performance.now(),
      drops: this.drops,
      packets: this.#tun,
      records: this.#sender,
      codecs: new GzipCodecs(made),
      made,
      emit: options.onEvent,
    }, this.#tun.read);
    this.#receiver = new DatagramReceiver(this.#driver.inbound, {
      handled: (now) => this.#turn(now),
      fail,
    });
    if (shared !== null) {
      this.#start(this.#receiver.run(this.#sockets.add(shared, null), shared, false));
    }
    this.#start(this.#runTun());
  }

  openSession(spec: EngineSession): void {
    if (this.#isStopping) return;
    this.#guard(spec.id, (now) => this.#driver.openSession(spec, now));
  }

  closeSession(id: number): void {
    this.#guard(id, (now) => this.#driver.closeSession(id, now));
  }

  addPath(sessionId: number, path: EnginePath): number {
    const { id, name, server, port } = path;
    const entry = this.#driver.sessions.byId(sessionId | 0);
    if (entry === undefined || entry.session.paths.byId(id) !== null) return 0;
    const socket = DatagramSocket.openPath(this.#libc, path);
    const now = performance.now();
    let socketNumber: number | null = null;
    try {
      socketNumber = this.#sockets.add(socket, { transport: "udp", hostname: server, port });
      const family = isIPv6(server) ? 6 : 4;
      const added = { id, name, socket: socketNumber, peer: null, family } as const;
      this.#driver.addPath(sessionId, added, now);
    } catch (error) {
      if (socketNumber !== null) this.#sockets.remove(socketNumber);
      socket.close();
      throw error;
    }
    this.#start(this.#receiver.run(socketNumber, socket, true));
    this.#turn(now);
    return socket.port;
  }

  removePath(sessionId: number, id: number): void {
    this.#guard(sessionId, (now) => this.#driver.removePath(sessionId, id, now));
  }

  setPathRule(sessionId: number, path: number, rule: PathRule): void {
    checkPathRule(rule);
    this.#guard(sessionId, (now) => this.#driver.setPathRule(sessionId, path, rule, now));
  }

  setLimits(sessionId: number, limits: SessionLimits): void {
    this.#guard(sessionId, (now) => this.#driver.setLimits(sessionId, limits, now));
  }

  probePaths(sessionId: number): void {
    this.#guard(sessionId, (now) => this.#driver.probePaths(sessionId, now));
  }

  askToLeave(sessionId: number): void {
    this.#guard(sessionId, (now) => this.#driver.askToLeave(sessionId, now));
  }

  report(): Promise<SessionReport[]> {
    return Promise.resolve(this.#driver.report(performance.now()));
  }

  heard(): Promise<SessionHeard[]> {
    return Promise.resolve(this.#driver.heard(performance.now()));
  }

  /** It has no thread of its own: who asks is answered. */
  answer(): Promise<void> {
    return Promise.resolve();
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
    this.#driver.close(performance.now());
    this.#sender.closeAfterLastWords(this.#sockets.numbers());
    this.#tunPoll.wake();
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
    await this.#receiver.whenDone();
    this.#tunPoll.close();
    this.#libc.closeFile(this.#tunFd);
  }

  /** Does something to a session; its failure is that session's. */
  #guard(session: number, work: (now: number) => void): void {
    const now = performance.now();
    try {
      work(now);
    } catch (error) {
      const message = messageOf(error);
      this.#onEvent({ kind: "session failed", session, message });
    }
    this.#turn(now);
  }

  /** Lets a task run by itself; its failure is the engine's. */
  #start(task: Promise<void>): void {
    const started = task.catch((error) => this.#fail(error))
      .then(() => void this.#tasks.delete(started));
    this.#tasks.add(started);
  }

  #fail(error: unknown): void {
    const message = messageOf(error);
    this.#onEvent({ kind: "fault", message });
  }

  async #runTun(): Promise<void> {
    const { outbound } = this.#driver;
    const offload = new Offload();
    while (!this.#isStopping) {
      const readiness = await this.#tunPoll.wait();
      if (readiness === "woken") return;
      if (readiness === "gone") throw new Error("Cannot go on: the TUN device is gone");
      const now = performance.now();
      let length = 0;
      for (let reads = 0; reads < READS_PER_TURN && this.#mayRead; reads++) {
        length = this.#tun.readPacket();
        if (length <= 0) break;
        outbound.forward(0, length, offload, now);
      }
      this.#turn(now);
      if (length >= 0) await this.#sender.whenRoom();
      if (this.#driver.isFull) await new Promise((resolve) => setTimeout(resolve, FULL_RETRY_MS));
      if (length < 0) await new Promise((resolve) => setTimeout(resolve, TUN_RETRY_MS));
    }
  }

  get #mayRead(): boolean {
    return this.#sender.hasRoom && !this.#driver.isFull;
  }

  #turn(now: number): void {
    this.#driver.turn(now);
    this.#tickBy(this.#driver.nextTick);
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
    this.#driver.tick(now);
    this.#tickBy(this.#driver.nextTick);
  }
}
