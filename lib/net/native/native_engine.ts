/** The native engine, seen from the main thread: starts the worker and steers it. */
import { messageOf } from "../../ffi/error_text.ts";
import { isIPv6 } from "node:net";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { Libc } from "../../ffi/libc/libc.ts";
import { Libcrypto } from "../../ffi/libcrypto/aes_gcm.ts";
import { openPathSocket, openServerSocket } from "../../ffi/linux/socket.ts";
import { openTun } from "../../ffi/linux/tun.ts";
import { checkPathRule, type PathRule } from "../../protocol/wire/path_rule.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import type {
  Engine,
  EngineEvent,
  EngineOptions,
  EnginePath,
  EngineSession,
  SessionLimits,
  SessionReport,
} from "../engine.ts";
import { FEATURE_ORDER, FEATURE_X1 } from "../driver/features.ts";
import { nativeFeatures } from "./codecs.ts";
import type { Command, NativeWorkerData, Notice } from "./worker.ts";

/** A worker that does not end by itself is ended after this. */
const STOP_TIMEOUT_MS = 2000;
const REPORTS_WAITING_MAX = 16;

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
  readonly #wakeFd: number;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #onEvent: (event: EngineEvent) => void;
  readonly #reports = new Map<number, (sessions: SessionReport[]) => void>();
  readonly #stopped = Promise.withResolvers<void>();
  #lastRequest = 0;
  #isStopping = false;
  /** The worker will not answer any more. */
  #hasStopped = false;

  readonly #fds: number[];

  /** @throws SyscallError (EADDRINUSE among them) and TunError. */
  constructor(options: EngineOptions) {
    const { libc, role } = options;
    this.#libc = libc;
    this.#onEvent = options.onEvent;
    const sharedSocket = role.kind === "server" ? openServerSocket(libc, role.port) : null;
    this.#fds = sharedSocket === null ? [] : [sharedSocket.fd];
    const tun = this.#orClose(() => openTun(libc, options.tunName, true));
    this.#fds.push(tun.fd);
    this.#wakeFd = this.#orClose(() => libc.eventfd());
    this.#fds.push(this.#wakeFd);
    const drops = new SharedArrayBuffer(DropCounters.BYTES);
    this.drops = new DropCounters(new Float64Array(drops));
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const data: NativeWorkerData = {
      fluxifyEngine: "native",
      port: port2,
      tun,
      wakeFd: this.#wakeFd,
      sharedSocket,
      drops,
    };
    port1.on("message", (notice: Notice) => this.#receive(notice));
    this.#worker = new Worker(options.workerModule, { workerData: data, transferList: [port2] });
    this.#worker.on("error", (error: Error) => {
      this.#onEvent({ kind: "fault", message: error.message });
      this.#noteStopped();
    });
    this.#worker.on("exit", () => {
      if (!this.#hasStopped && !this.#isStopping) {
        this.#onEvent({ kind: "fault", message: "Cannot go on: the engine's thread has ended" });
      }
      this.#noteStopped();
    });
  }

  openSession(session: EngineSession): void {
    this.#command({ kind: "open session", session });
  }

  closeSession(id: number): void {
    this.#command({ kind: "close session", id });
  }

  askToLeave(session: number): void {
    this.#command({ kind: "ask to leave", session });
  }

  addPath(session: number, path: EnginePath): number {
    if (this.#isStopping) return 0;
    const { id, name } = path;
    const { fd, gso, sourcePort } = openPathSocket(this.#libc, path);
    const family = isIPv6(path.server) ? 6 : 4;
    this.#command({ kind: "add path", session, id, name, family, socket: { fd, gso } });
    return sourcePort;
  }

  removePath(session: number, path: number): void {
    this.#command({ kind: "remove path", session, path });
  }

  setPathRule(session: number, path: number, rule: PathRule): void {
    checkPathRule(rule);
    this.#command({ kind: "path rule", session, path, rule });
  }

  setLimits(session: number, limits: SessionLimits): void {
    this.#command({ kind: "limits", session, limits });
  }

  probePaths(session: number): void {
    this.#command({ kind: "probe paths", session });
  }

  report(): Promise<SessionReport[]> {
    if (this.#hasStopped || this.#reports.size >= REPORTS_WAITING_MAX) return Promise.resolve([]);
    const request = ++this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<SessionReport[]>();
    this.#reports.set(request, resolve);
    this.#command({ kind: "report", request });
    return promise;
  }

  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.#command({ kind: "stop" });
      const timer = setTimeout(() => this.#noteStopped(), STOP_TIMEOUT_MS);
      await this.#stopped.promise;
      clearTimeout(timer);
      await this.#worker.terminate();
      this.#port.close();
      this.#closeFds();
    }
    await this.#stopped.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
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

  #command(command: Command): void {
    if (this.#fds.length === 0) return;
    this.#port.postMessage(command);
    this.#libc.signalEventfd(this.#wakeFd);
  }

  #noteStopped(): void {
    this.#hasStopped = true;
    this.#stopped.resolve();
    for (const resolve of this.#reports.values()) resolve([]);
    this.#reports.clear();
  }

  #receive(notice: Notice): void {
    switch (notice.kind) {
      case "report":
        this.#reports.get(notice.request)?.(notice.sessions);
        this.#reports.delete(notice.request);
        break;
      case "stopped":
        this.#noteStopped();
        break;
      default:
        this.#onEvent(notice);
    }
  }
}
