/**
 * The native engine, seen from the main thread: one thread, or several that share the TUN device and the
 * port. Each session lives in one of them, which its id tells; so does each client, since the ids of its
 * sessions are chosen so.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { isIPv6 } from "node:net";
import { Libc } from "../../ffi/libc/libc.ts";
import { Libcrypto } from "../../ffi/libcrypto/aes_gcm.ts";
import { openPathSocket, openServerSocket, type ServerSocket } from "../../ffi/linux/socket.ts";
import { openSteeredSockets } from "../../ffi/linux/steered_sockets.ts";
import { openTun, openTunQueues, type TunDevice } from "../../ffi/linux/tun.ts";
import { checkPathRule, type PathRule } from "../../protocol/wire/path_rule.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { OFFSET_SESSION } from "../../protocol/wire/header.ts";
import { DEFAULT_NETWORK } from "../../protocol/wire/tunnel_network.ts";
import type {
  Engine,
  EngineOptions,
  EnginePath,
  EngineSession,
  SessionHeard,
  SessionLimits,
  SessionReport,
} from "../engine.ts";
import { FEATURE_ORDER, FEATURE_X1 } from "../driver/features.ts";
import { nativeFeatures } from "./codecs.ts";
import { EngineThread } from "./engine_thread.ts";
import type { Answers, Question } from "./worker.ts";
import { type HandoverPlan, planHandover, sessionIdFor } from "./handover.ts";

/** A thread that ends is started again, but so many times in so long: it is no accident then. */
const FAILURES_MAX = 4;
const FAILURES_WITHIN_MS = 60_000;

/** What stays when a thread ends and another takes its place. */
interface ThreadPlace {
  readonly tun: TunDevice;
  readonly wakeFd: number;
  readonly sharedSocket: ServerSocket | null;
  readonly drops: SharedArrayBuffer;
  readonly handover: HandoverPlan | null;
  /** The sessions that were opened in it and have not ended, as far as it is known. */
  readonly sessions: Set<number>;
  thread: EngineThread;
}

/** Why this machine cannot run the native engine, or null when it can. */
export function nativeEngineObstacle(): string | null {
  if (Deno.build.os !== "linux") return `it needs Linux, and this is ${Deno.build.os}`;
  try {
    Libc.open().unload();
    Libcrypto.open().unload();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

export class NativeEngine implements Engine {
  readonly name = "native";
  readonly features = [FEATURE_X1, FEATURE_ORDER, ...nativeFeatures()];
  readonly drops: DropCounters;
  readonly #libc: Libc;
  readonly #options: EngineOptions;
  readonly #places: ThreadPlace[];
  readonly #fds: number[] = [];
  /** When threads ended, of late. */
  #failedAt: readonly number[] = [];
  /** Threads that have ended and been replaced. */
  readonly #ending = new Set<Promise<void>>();
  #stopping: Promise<void> | null = null;
  #hasFailed = false;

  /** @throws SyscallError (EADDRINUSE among them) and TunError. */
  constructor(options: EngineOptions) {
    const { libc, role, threads = 1 } = options;
    this.#libc = libc;
    this.#options = options;
    const count = role.kind === "server" ? threads : 1;
    const sockets = role.kind === "server" ? this.#openSockets(role.port, count) : [null];
    const queues = this.#orClose(() =>
      count === 1
        ? [openTun(libc, options.tunName, true)]
        : openTunQueues(libc, options.tunName, count)
    );
    this.#fds.push(...queues.map(({ fd }) => fd));
    const wakeFds = queues.map(() => {
      const fd = this.#orClose(() => libc.eventfd());
      this.#fds.push(fd);
      return fd;
    });
    const drops = queues.map(() => new SharedArrayBuffer(DropCounters.BYTES));
    this.drops = DropCounters.sumOf(drops.map((counts) => new Float64Array(counts)));
    const { server = DEFAULT_NETWORK.server } = options;
    const plans = count === 1 ? [null] : planHandover(wakeFds, server);
    this.#places = queues.map((tun, index) => {
      const place = {
        tun,
        wakeFd: wakeFds[index]!,
        sharedSocket: sockets[index]!,
        drops: drops[index]!,
        handover: plans[index]!,
        sessions: new Set<number>(),
      };
      return { ...place, thread: this.#start(place, index) };
    });
  }

  openSession(session: EngineSession): void {
    const place = this.#placeOf(session.id);
    place.sessions.add(session.id);
    place.thread.command({ kind: "open session", session });
  }

  closeSession(id: number): void {
    const place = this.#placeOf(id);
    place.sessions.delete(id);
    place.thread.command({ kind: "close session", id });
  }

  sessionIdFor(random: number, ipv4: string): number {
    return this.#places.length === 1 ? random : sessionIdFor(random, ipv4, this.#places.length);
  }

  askToLeave(session: number): void {
    this.#placeOf(session).thread.command({ kind: "ask to leave", session });
  }

  addPath(session: number, path: EnginePath): number {
    if (this.#stopping !== null) return 0;
    const { id, name } = path;
    const { fd, gso, sourcePort } = openPathSocket(this.#libc, path);
    const family = isIPv6(path.server) ? 6 : 4;
    const socket = { fd, gso };
    this.#placeOf(session).thread.command({ kind: "add path", session, id, name, family, socket });
    return sourcePort;
  }

  removePath(session: number, path: number): void {
    this.#placeOf(session).thread.command({ kind: "remove path", session, path });
  }

  setPathRule(session: number, path: number, rule: PathRule): void {
    checkPathRule(rule);
    this.#placeOf(session).thread.command({ kind: "path rule", session, path, rule });
  }

  setLimits(session: number, limits: SessionLimits): void {
    this.#placeOf(session).thread.command({ kind: "limits", session, limits });
  }

  probePaths(session: number): void {
    this.#placeOf(session).thread.command({ kind: "probe paths", session });
  }

  report(): Promise<SessionReport[]> {
    return this.#askAll("report");
  }

  heard(): Promise<SessionHeard[]> {
    return this.#askAll("heard");
  }

  async answer(): Promise<void> {
    await this.#askAll("alive");
  }

  async #askAll<Q extends Question>(question: Q): Promise<Answers[Q]> {
    const answers = await Promise.all(this.#places.map(({ thread }) => thread.ask(question)));
    return answers.flat() as Answers[Q];
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#places.map(({ thread }) => thread.stop()), ...this.#ending]);
    this.#closeFds();
  }

  #placeOf(session: number): ThreadPlace {
    return this.#places[(session >>> 0) % this.#places.length]!;
  }

  #openSockets(port: number, count: number): ServerSocket[] {
    const sockets = count === 1
      ? [openServerSocket(this.#libc, port)]
      : openSteeredSockets(this.#libc, port, count, OFFSET_SESSION);
    this.#fds.push(...sockets.map(({ fd }) => fd));
    return sockets;
  }

  #start(place: Omit<ThreadPlace, "thread">, index: number): EngineThread {
    const { libc, workerModule } = this.#options;
    const { tun, wakeFd, sharedSocket, drops, handover, sessions } = place;
    return new EngineThread({
      ...{ libc, workerModule, tun, wakeFd, sharedSocket, drops, handover },
      onEvent: (event) => {
        if (event.kind === "idle" || event.kind === "session failed") {
          sessions.delete(event.session);
        }
        this.#options.onEvent(event);
      },
      onFault: (message) => this.#threadFailed(index, message),
    });
  }

  /** A thread takes only its sessions along: their clients ask for new ones. */
  #threadFailed(index: number, message: string): void {
    const place = this.#places[index]!;
    const now = performance.now();
    this.#failedAt = [...this.#failedAt, now].filter((at) => now - at < FAILURES_WITHIN_MS);
    if (this.#places.length === 1 || this.#failedAt.length > FAILURES_MAX) {
      return this.#fail(message);
    }
    if (this.#stopping !== null) return;
    const ended = [...place.sessions];
    place.sessions.clear();
    // It has left its loop, so the descriptors are free for the next one, which misses no command.
    const ending = place.thread.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    place.thread = this.#start(place, index);
    this.#options.onEvent({ kind: "thread ended", message, sessions: ended.length });
    for (const session of ended) {
      this.#options.onEvent({ kind: "session failed", session, message: "its thread has ended" });
    }
  }

  #fail(message: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onEvent({ kind: "fault", message });
  }

  #orClose<T>(open: () => T): T {
    try {
      return open();
    } catch (error) {
      this.#closeFds();
      throw error;
    }
  }

  #closeFds(): void {
    for (const fd of this.#fds.splice(0)) this.#libc.closeFile(fd);
  }
}
