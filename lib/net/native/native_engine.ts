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
import { FEATURE_ORDER, FEATURE_REPAIR, FEATURE_X1 } from "../driver/features.ts";
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
  /** The client's address of each session that was opened in it and has not ended, as far as is known. */
  readonly sessions: Map<number, string>;
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
  readonly features = [FEATURE_X1, FEATURE_ORDER, FEATURE_REPAIR, ...nativeFeatures()];
  readonly drops: DropCounters;
  readonly #libc: Libc;
  readonly #options: EngineOptions;
  readonly #places: ThreadPlace[];
  readonly #fds: number[] = [];
  /** When threads ended, of late. */
  #failedAt: readonly number[] = [];
  /** By a client's address, the networks behind it; only those that have some. */
  readonly #routes = new Map<string, readonly string[]>();
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
        sessions: new Map<number, string>(),
      };
      return { ...place, thread: this.#start(place, index) };
    });
  }

  openSession(session: EngineSession): void {
    const { id, ipv4, limits } = session;
    const place = this.#placeOf(id);
    place.sessions.set(id, ipv4);
    place.thread.command({ kind: "open session", session });
    if (limits !== undefined) this.#routeTo(ipv4, limits.routes, place);
  }

  closeSession(id: number): void {
    const place = this.#placeOf(id);
    this.#forget(place, id);
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
    const place = this.#placeOf(session);
    place.thread.command({ kind: "limits", session, limits });
    const ipv4 = place.sessions.get(session);
    if (ipv4 !== undefined) this.#routeTo(ipv4, limits.routes, place);
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
    const { tun, wakeFd, sharedSocket, drops, handover } = place;
    return new EngineThread({
      ...{ libc, workerModule, tun, wakeFd, sharedSocket, drops, handover },
      onEvent: (event) => {
        if (event.kind === "idle" || event.kind === "session failed") {
          this.#forget(this.#places[index]!, event.session);
        }
        this.#options.onEvent(event);
      },
      onFault: (message) => this.#threadFailed(index, message),
    });
  }

  /** The networks behind a client are known to the other threads, too, which hand its packets over. */
  #routeTo(ipv4: string, prefixes: readonly string[], place: ThreadPlace): void {
    if (this.#places.length === 1 || prefixes.length === 0 && !this.#routes.has(ipv4)) return;
    if (prefixes.length === 0) this.#routes.delete(ipv4);
    else this.#routes.set(ipv4, prefixes);
    for (const other of this.#places) {
      if (other !== place) other.thread.command({ kind: "routes elsewhere", ipv4, prefixes });
    }
  }

  /** A session has ended; with the last one of a client end the routes to what is behind it. */
  #forget(place: ThreadPlace, session: number): void {
    const ipv4 = place.sessions.get(session);
    place.sessions.delete(session);
    if (ipv4 === undefined || !this.#routes.has(ipv4)) return;
    if (![...place.sessions.values()].includes(ipv4)) this.#routeTo(ipv4, [], place);
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
    const ended = [...place.sessions.keys()];
    for (const session of ended) this.#forget(place, session);
    // It has left its loop, so the descriptors are free for the next one, which misses no command.
    const ending = place.thread.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    place.thread = this.#start(place, index);
    for (const [ipv4, prefixes] of this.#routes) {
      place.thread.command({ kind: "routes elsewhere", ipv4, prefixes });
    }
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
