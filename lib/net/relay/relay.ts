/**
 * Carries records of the data plane inside TLS: streams, each with a UDP socket of its own on the
 * loopback interface, at the other end of which is an engine's. So an engine knows nothing of streams:
 * to it each is a path, with an address, round trips and losses as any other. The work is done in a
 * thread, which is started with the first stream.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { messageOf } from "../../ffi/error_text.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import type { DetachedTls } from "../../ffi/libssl/tls_connection.ts";
import { TlsStream } from "../../ffi/libssl/tls_stream.ts";
import {
  connectLoopback,
  type LoopbackSocket,
  openLoopbackSocket,
} from "../../ffi/linux/socket.ts";
import { takeOver } from "../../ffi/linux/stream_socket.ts";
import type {
  DialTarget,
  RelayCommand,
  RelayNotice,
  StreamEnd,
  StreamReport,
  StreamStage,
} from "./message.ts";
import type { RelayWorkerData } from "./worker.ts";

/** A worker that does not end by itself is ended after this. */
const STOP_TIMEOUT_MS = 2000;
const REPORTS_WAITING_MAX = 16;

/** What becomes of a stream. */
interface StreamListener {
  /** A client's: the certificate the server has shown, in DER. Nothing flows until `trust`. */
  judge?(certificate: Uint8Array<ArrayBuffer>): void;
  open?(): void;
  /** It is over, and the last that is heard of it. */
  ended(end: StreamEnd, stage: StreamStage): void;
}

interface OwnStream {
  readonly listener: StreamListener;
  /** A server's, which goes with the stream; a client's outlives it. */
  readonly ownSocket: number | null;
}

export class Relay implements AsyncDisposable {
  readonly #libc: Libc;
  readonly #workerModule: URL;
  readonly #streams = new Map<number, OwnStream>();
  readonly #reports = new Map<number, (streams: StreamReport[]) => void>();
  #thread: Thread | null = null;
  /** Of streams that have ended. */
  #droppedBefore = 0;
  #lastId = 0;
  #lastRequest = 0;

  /** @param workerModule that runs `runRelayWorker` when `isRelayWorker`: the program's entry. */
  constructor(libc: Libc, workerModule: URL) {
    this.#libc = libc;
    this.#workerModule = workerModule;
  }

  /** A socket for a client's stream, to be closed with `closeSocket` when no stream uses it. @throws SyscallError */
  openSocket(): LoopbackSocket {
    return openLoopbackSocket(this.#libc);
  }

  /** The engine's socket, which alone may talk to that one. @throws SyscallError */
  connectSocket({ fd }: LoopbackSocket, port: number): void {
    connectLoopback(this.#libc, fd, port);
  }

  closeSocket({ fd }: LoopbackSocket): void {
    this.#libc.closeFile(fd);
  }

  /** Connects to a server. Returns the stream's number. The socket is in use until it has ended. */
  dial(target: DialTarget, { fd, gso }: LoopbackSocket, listener: StreamListener): number {
    const id = this.#add({ listener, ownSocket: null });
    this.#command({ kind: "dial", id, ...target, socket: { fd, gso } });
    target.proxy?.head.fill(0); // it may hold a password, and was copied
    return id;
  }

  /**
   * Takes over a connection whose peer is known, for records to and from the engine at `enginePort`.
   * Returns the stream's number, and the port that the engine sees. @throws SyscallError, Error; the
   * connection is closed then.
   */
  adopt(
    detached: DetachedTls,
    enginePort: number,
    silenceMsMax: number,
    listener: StreamListener,
  ): { id: number; port: number } {
    const { tcp, session } = detached;
    let socket: LoopbackSocket | null = null;
    try {
      socket = this.openSocket();
      this.connectSocket(socket, enginePort);
      const fd = takeOver(this.#libc, tcp);
      const id = this.#add({ listener, ownSocket: socket.fd });
      const { gso, port } = socket;
      const own = { fd: socket.fd, gso };
      this.#command({ kind: "adopt", id, session, tcp: fd, socket: own, silenceMsMax });
      return { id, port };
    } catch (error) {
      if (socket !== null) this.closeSocket(socket);
      TlsStream.adopt(session)[Symbol.dispose]();
      throw error;
    } finally {
      tcp.close();
    }
  }

  /** The server's certificate is the right one. */
  trust(id: number): void {
    this.#command({ kind: "trust", id });
  }

  close(id: number): void {
    if (this.#streams.has(id)) this.#command({ kind: "close", id });
  }

  report(): Promise<StreamReport[]> {
    if (this.#thread === null || this.#reports.size >= REPORTS_WAITING_MAX) {
      return Promise.resolve([]);
    }
    const request = ++this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<StreamReport[]>();
    this.#reports.set(request, resolve);
    this.#command({ kind: "report", request });
    return promise;
  }

  /** Records that waited too long for a stream, or had no room, since the start. */
  async dropped(): Promise<number> {
    const streams = await this.report();
    return streams.reduce((sum, { dropped }) => sum + dropped, this.#droppedBefore);
  }

  /** Ends all streams. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.stop();
    this.#lost("closed");
  }

  #add(stream: OwnStream): number {
    this.#streams.set(++this.#lastId, stream);
    return this.#lastId;
  }

  #command(command: RelayCommand): void {
    this.#thread ??= new Thread(this.#libc, this.#workerModule, {
      receive: (notice) => this.#receive(notice),
      lost: (why) => this.#lost(why),
    });
    this.#thread.post(command);
  }

  #receive(notice: RelayNotice): void {
    if (notice.kind === "stopped") return;
    if (notice.kind === "report") {
      this.#reports.get(notice.request)?.(notice.streams);
      this.#reports.delete(notice.request);
      return;
    }
    const stream = this.#streams.get(notice.id);
    if (stream === undefined) return;
    const { listener } = stream;
    if (notice.kind === "judge") listener.judge?.(notice.certificate);
    else if (notice.kind === "open") listener.open?.();
    else {
      this.#droppedBefore += notice.dropped;
      this.#ended(notice.id, stream, notice.end, notice.stage);
    }
  }

  #ended(id: number, { listener, ownSocket }: OwnStream, end: StreamEnd, stage: StreamStage): void {
    this.#streams.delete(id);
    if (ownSocket !== null) this.#libc.closeFile(ownSocket);
    listener.ended(end, stage);
  }

  /** The thread has ended; the next stream starts another. */
  #lost(message: string): void {
    this.#thread = null;
    for (const resolve of this.#reports.values()) resolve([]);
    this.#reports.clear();
    for (const [id, stream] of [...this.#streams]) {
      this.#ended(id, stream, { kind: "fault", message }, "open");
    }
  }
}

interface ThreadListener {
  receive(notice: RelayNotice): void;
  lost(why: string): void;
}

class Thread {
  readonly #libc: Libc;
  readonly #wakeFd: number;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #ended = Promise.withResolvers<void>();
  #isOver = false;

  constructor(libc: Libc, module: URL, listener: ThreadListener) {
    this.#libc = libc;
    this.#wakeFd = libc.eventfd();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData: RelayWorkerData = { fluxifyRelay: true, port: port2, wakeFd: this.#wakeFd };
    port1.on("message", (notice: RelayNotice) => {
      if (notice.kind === "stopped") this.#ended.resolve();
      listener.receive(notice);
    });
    this.#worker = new Worker(module, { workerData, transferList: [port2] });
    const lost = (why: string) => {
      this.#ended.resolve();
      if (this.#isOver) return;
      this.#close();
      listener.lost(why);
    };
    this.#worker.on("error", (error: Error) => lost(messageOf(error)));
    this.#worker.on("exit", () => lost("the thread has ended"));
  }

  post(command: RelayCommand): void {
    if (this.#isOver) return;
    this.#port.postMessage(command);
    this.#libc.signalEventfd(this.#wakeFd);
  }

  async stop(): Promise<void> {
    if (this.#isOver) return;
    this.post({ kind: "stop" });
    const timer = setTimeout(() => this.#ended.resolve(), STOP_TIMEOUT_MS);
    await this.#ended.promise;
    clearTimeout(timer);
    this.#isOver = true;
    await this.#worker.terminate();
    this.#port.close();
    this.#libc.closeFile(this.#wakeFd);
  }

  #close(): void {
    this.#isOver = true;
    this.#port.close();
    this.#libc.closeFile(this.#wakeFd);
  }
}
