/** One thread of the native engine, seen from the main thread: starts the worker and steers it. */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { TunDevice } from "../../ffi/linux/tun.ts";
import type { EngineEvent } from "../engine.ts";
import type { HandoverPlan } from "./handover.ts";
import type { EngineSocket } from "./sockets.ts";
import type { Answers, Command, NativeWorkerData, Notice, Question } from "./worker.ts";

/** A worker that does not end by itself is ended after this. */
const STOP_TIMEOUT_MS = 2000;
const QUESTIONS_WAITING_MAX = 16;

interface EngineThreadOptions {
  readonly libc: Libc;
  /** The module that runs `runNativeWorker` when `isNativeWorker`. */
  readonly workerModule: URL;
  /** The descriptors stay the caller's, and open until the thread has stopped. */
  readonly tun: TunDevice;
  readonly wakeFd: number;
  readonly sharedSocket: EngineSocket & { readonly isV6: boolean } | null;
  readonly drops: SharedArrayBuffer;
  readonly handover: HandoverPlan | null;
  readonly onEvent: (event: Exclude<EngineEvent, { kind: "fault" }>) => void;
  /** The thread cannot go on, or has ended by itself. Called once at most. */
  readonly onFault: (message: string) => void;
}

export class EngineThread {
  readonly #options: EngineThreadOptions;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  /** By request, what takes the answer; null: there will be none. */
  readonly #asked = new Map<number, (value: Answers[Question] | null) => void>();
  readonly #stopped = Promise.withResolvers<void>();
  #lastRequest = 0;
  #isStopping = false;
  /** The worker will not answer any more. */
  #hasStopped = false;
  #hasFailed = false;

  constructor(options: EngineThreadOptions) {
    this.#options = options;
    const { tun, wakeFd, sharedSocket, drops, handover } = options;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const data: NativeWorkerData = {
      fluxifyEngine: "native",
      port: port2,
      ...{ tun, wakeFd, sharedSocket, drops, handover },
    };
    port1.on("message", (notice: Notice) => this.#receive(notice));
    this.#worker = new Worker(options.workerModule, { workerData: data, transferList: [port2] });
    this.#worker.on("error", (error: Error) => {
      this.#fail(error.message);
      this.#noteStopped();
    });
    this.#worker.on("exit", () => {
      if (!this.#hasStopped) this.#fail("Cannot go on: the engine's thread has ended");
      this.#noteStopped();
    });
  }

  /** Ignored by a thread that stops. */
  command(command: Command): void {
    if (this.#isStopping) return;
    this.#send(command);
  }

  /** Empty when it cannot answer. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q]> {
    const none = [] as Answers[Q];
    if (this.#hasStopped || this.#asked.size >= QUESTIONS_WAITING_MAX) return Promise.resolve(none);
    const request = ++this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<Answers[Q]>();
    this.#asked.set(request, (value) => resolve((value ?? none) as Answers[Q]));
    this.command({ kind: question, request });
    return promise;
  }

  /** Ends all its sessions and returns when it uses its descriptors no more. */
  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#send({ kind: "stop" });
      this.#isStopping = true;
      const timer = setTimeout(() => this.#noteStopped(), STOP_TIMEOUT_MS);
      await this.#stopped.promise;
      clearTimeout(timer);
      await this.#worker.terminate();
      this.#port.close();
    }
    await this.#stopped.promise;
  }

  #send(command: Command): void {
    this.#port.postMessage(command);
    this.#options.libc.signalEventfd(this.#options.wakeFd);
  }

  #fail(message: string): void {
    if (this.#hasFailed || this.#isStopping) return;
    this.#hasFailed = true;
    this.#options.onFault(message);
  }

  #noteStopped(): void {
    this.#hasStopped = true;
    this.#stopped.resolve();
    for (const resolve of this.#asked.values()) resolve(null);
    this.#asked.clear();
  }

  #receive(notice: Notice): void {
    switch (notice.kind) {
      case "answer":
        this.#asked.get(notice.request)?.(notice.value);
        this.#asked.delete(notice.request);
        break;
      case "stopped":
        this.#noteStopped();
        break;
      case "fault":
        this.#fail(notice.message);
        break;
      default:
        this.#options.onEvent(notice);
    }
  }
}
