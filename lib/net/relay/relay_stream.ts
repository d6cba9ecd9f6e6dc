/**
 * One TLS connection and the UDP socket beside it: records that come on one leave on the other. A
 * client's is made here: TCP, a proxy where there is one, TLS; records flow when the main thread has
 * judged the peer's certificate. A server's comes when all that is done.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { errnoName, SyscallError } from "../../ffi/libc/errno.ts";
import { EPOLLIN, EPOLLOUT } from "../../ffi/linux/epoll.ts";
import {
  beginConnect,
  connectResult,
  limitUnsent,
  tuneStream,
} from "../../ffi/linux/stream_socket.ts";
import { TLS_ENDED, TLS_WAITS_TO_WRITE, TlsStream } from "../../ffi/libssl/tls_stream.ts";
import { DATA_STREAM_PROTOCOL, TLS_PLAINTEXT_MAX } from "../../protocol/wire/stream_frame.ts";
import { DatagramRuns } from "./datagram_runs.ts";
import type { Carry } from "./frame_buffer.ts";
import type {
  RelayCommand,
  RelayNotice,
  RelaySocket,
  StreamEnd,
  StreamReport,
  StreamStage,
} from "./message.ts";
import { ProxyDialogue } from "./proxy_dialogue.ts";
import type { RelayMemory } from "./relay_memory.ts";
import { SendQueue } from "./send_queue.ts";

/** From the first packet of TCP until records flow. */
const OPENING_MS_MAX = 10_000;
/** A peer that takes nothing for so long, though something waits, is gone or plays dead. */
const BLOCKED_MS_MAX = 15_000;
/** In the kernel waits what leaves in so long: TCP must not run dry before this thread is woken. */
const UNSENT_MS = 10;
/** Within these bounds. */
const UNSENT_BYTES_MIN = 16 * 1024;
const UNSENT_BYTES_MAX = 256 * 1024;
/** Receives, and buffers full of frames, before other streams get their turn. */
const RECEIVES_PER_TURN = 16;
const BUFFERS_PER_TURN = 4;

type Dial = Extract<RelayCommand, { kind: "dial" }>;
type Adoption = Extract<RelayCommand, { kind: "adopt" }>;

export class RelayStream {
  readonly #memory: RelayMemory;
  readonly #id: number;
  readonly #dial: Dial | null;
  readonly #socket: RelaySocket;
  readonly #silenceMsMax: number;
  readonly #tell: (notice: RelayNotice) => void;
  readonly #runs: DatagramRuns;
  readonly #queue: SendQueue;
  readonly #beganAt: number;
  #stage: StreamStage = "connecting";
  #isOver = false;
  #tcp: number;
  #tls: TlsStream | null = null;
  #proxy: ProxyDialogue | null = null;
  #interest = 0;
  #carry: Carry = null;
  #heardAt: number;
  /** Since when the peer has taken nothing of what waits; Infinity: it takes what there is. */
  #blockedAt = Infinity;
  #sentBytes = 0;
  /** At the last look. */
  #looked = { at: 0, sentBytes: 0 };
  #unsentBytes = 0;
  #receivedBytes = 0;
  #undelivered = 0;

  /** @throws SyscallError, Error; what it was given is the caller's then. */
  constructor(
    memory: RelayMemory,
    command: Dial | Adoption,
    tell: (notice: RelayNotice) => void,
    now: number,
  ) {
    this.#memory = memory;
    this.#id = command.id;
    this.#socket = command.socket;
    this.#silenceMsMax = command.silenceMsMax;
    this.#tell = tell;
    this.#runs = new DatagramRuns(memory);
    this.#beganAt = this.#heardAt = now;
    this.#dial = command.kind === "dial" ? command : null;
    if (command.kind === "dial") this.#tcp = beginConnect(memory.libc, command);
    else {
      this.#tcp = command.tcp;
      this.#tls = TlsStream.adopt(command.session);
    }
    this.#interest = this.#dial === null ? EPOLLIN : EPOLLOUT;
    try {
      tuneStream(memory.libc, this.#tcp);
      memory.epoll.add(this.#tcp, this.#id * 2, this.#interest);
    } catch (error) {
      if (this.#dial !== null) memory.libc.closeFile(this.#tcp);
      throw error;
    }
    this.#queue = new SendQueue(memory.pool);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get report(): StreamReport {
    return {
      id: this.#id,
      stage: this.#stage,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      dropped: this.#dropped,
      queuedBytes: this.#queue.bytes,
    };
  }

  /** A server's: goes on with what the peer has sent before, and with its socket from then on. */
  takeUp(now: number): void {
    this.#stage = "judged";
    // What it has sent behind its handshake is in the memory of the session.
    this.#readStream(now);
    if (this.#isOver) return;
    this.#tls!.useSocket(this.#tcp);
    this.#open(now);
  }

  /** A client's: the peer's certificate is the right one. */
  trust(now: number): void {
    if (this.#stage === "judged" && !this.#isOver) this.#open(now);
  }

  /** Hot. The connection is ready for something. */
  connectionReady(events: number, now: number): void {
    if (this.#isOver) return;
    switch (this.#stage) {
      case "connecting":
        return this.#connected();
      case "proxy":
        return this.#talkToProxy();
      case "handshake":
        return this.#shakeHands();
      case "judged":
        return;
      case "open":
        if ((events & ~EPOLLOUT) !== 0) this.#readStream(now);
        if ((events & EPOLLOUT) !== 0) this.#pump(now);
        return;
      default:
        this.#stage satisfies never;
    }
  }

  /** Hot. The engine has sent something. */
  socketReady(now: number): void {
    if (this.#isOver) return;
    const { fd } = this.#socket;
    for (let receives = 0; receives < RECEIVES_PER_TURN; receives++) {
      const address = this.#queue.receiveAt(now);
      const length = address === 0 ? this.#memory.discard(fd) : this.#memory.receive(fd, address);
      // An error is EAGAIN, or that the engine's socket is closed: the main thread knows.
      if (length < 0) break;
      if (address === 0) this.#undelivered++;
      else this.#queue.received(length, this.#memory.segment);
    }
    if (this.#blockedAt === Infinity) this.#pump(now);
  }

  /** What the engine has sent before it ended is passed on, as far as the peer takes it. */
  lastWords(now: number): void {
    if (this.#stage === "open") this.socketReady(now);
  }

  /** To be called about once a second. */
  look(now: number): void {
    if (this.#isOver) return;
    if (this.#stage !== "open") {
      if (now - this.#beganAt > OPENING_MS_MAX) this.end({ kind: "timed out" });
    } else if (now - this.#heardAt > this.#silenceMsMax) this.end({ kind: "silent" });
    else if (now - this.#blockedAt > BLOCKED_MS_MAX) this.end({ kind: "slow reader" });
    else {
      // What waits behind a connection that stalls grows old.
      this.#queue.next(now);
      this.#limitUnsent(now);
    }
  }

  /** As fast as it was of late: what waits in the kernel cannot be dropped. */
  #limitUnsent(now: number): void {
    const rate = (this.#sentBytes - this.#looked.sentBytes) / Math.max(1, now - this.#looked.at);
    this.#looked = { at: now, sentBytes: this.#sentBytes };
    const bounded = Math.min(UNSENT_BYTES_MAX, Math.max(UNSENT_BYTES_MIN, rate * UNSENT_MS));
    const bytes = 2 ** Math.round(Math.log2(bounded));
    if (bytes !== this.#unsentBytes) limitUnsent(this.#memory.libc, this.#tcp, bytes);
    this.#unsentBytes = bytes;
  }

  /** Closes everything but the UDP socket, and tells. */
  end(end: StreamEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { epoll, libc } = this.#memory;
    try {
      epoll.remove(this.#tcp);
      if (this.#stage === "open") epoll.remove(this.#socket.fd);
      this.#tls?.[Symbol.dispose]();
    } finally {
      libc.closeFile(this.#tcp);
    }
    this.#tell({
      kind: "ended",
      id: this.#id,
      stage: this.#stage,
      end,
      dropped: this.#dropped,
    });
    this.#queue[Symbol.dispose]();
  }

  /** Whatever is thrown for it ends it. */
  failed(error: unknown): void {
    this.end({ kind: "fault", message: messageOf(error) });
  }

  get #dropped(): number {
    return this.#queue.dropped + this.#undelivered;
  }

  #want(events: number): void {
    if (this.#interest === events) return;
    this.#interest = events;
    this.#memory.epoll.change(this.#tcp, this.#id * 2, events);
  }

  #connected(): void {
    const errno = connectResult(this.#memory.libc, this.#tcp);
    if (errno !== 0) {
      return this.end({ kind: "unreachable", errno, message: errnoName(errno) });
    }
    const { proxy } = this.#dial!;
    if (proxy === null) return this.#beginTls();
    this.#proxy = new ProxyDialogue(this.#memory.libc, this.#tcp, proxy.head);
    this.#stage = "proxy";
    this.#talkToProxy();
  }

  #talkToProxy(): void {
    const outcome = this.#proxy!.goOn();
    if (outcome === "waits to read") this.#want(EPOLLIN);
    else if (outcome === "waits to write") this.#want(EPOLLOUT);
    else if (outcome === "open") {
      this.#proxy = null;
      this.#beginTls();
    } else this.end(outcome);
  }

  #beginTls(): void {
    const { context, serverName } = this.#dial!;
    this.#tls = TlsStream.connect(Deno.UnsafePointer.create(context), this.#tcp, serverName);
    this.#stage = "handshake";
    this.#shakeHands();
  }

  #shakeHands(): void {
    const tls = this.#tls!;
    const outcome = tls.handshake();
    if (outcome === TLS_ENDED) return this.end({ kind: "TLS", reason: tls.failure });
    if (outcome <= 0) return this.#want(outcome === TLS_WAITS_TO_WRITE ? EPOLLOUT : EPOLLIN);
    if (tls.protocol() !== DATA_STREAM_PROTOCOL) return this.end({ kind: "no data stream" });
    const certificate = tls.peerCertificate();
    if (certificate === null) return this.end({ kind: "TLS", reason: "no certificate" });
    this.#stage = "judged";
    this.#want(0);
    this.#tell({ kind: "judge", id: this.#id, certificate });
  }

  #open(now: number): void {
    this.#stage = "open";
    this.#heardAt = now;
    const { epoll } = this.#memory;
    const { fd } = this.#socket;
    // What the engine sent before anybody could take it is of no use any more, and before the socket
    // was connected anybody could send.
    if (this.#dial !== null) { while (this.#memory.discard(fd) >= 0); }
    epoll.add(fd, this.#id * 2 + 1, EPOLLIN);
    this.#want(EPOLLIN);
    this.#tell({ kind: "open", id: this.#id });
  }

  /** Hot. */
  #readStream(now: number): void {
    const { frames } = this.#memory;
    const tls = this.#tls!;
    for (let buffers = 0; buffers < BUFFERS_PER_TURN; buffers++) {
      frames.begin(this.#carry);
      let length = 1;
      while (length > 0 && frames.hasRoom) {
        length = tls.read(frames.endAddress, TLS_PLAINTEXT_MAX);
        if (length <= 0) break;
        frames.filled(length);
        this.#receivedBytes += length;
        this.#heardAt = now;
      }
      const refused = this.#runs.forward(frames, this.#socket);
      if (refused < 0) return this.end({ kind: "broken frame" });
      this.#undelivered += refused;
      this.#carry = frames.rest();
      if (length > 0) continue;
      if (length === TLS_ENDED) this.end({ kind: "TLS", reason: tls.failure });
      return;
    }
  }

  /** Hot. */
  #pump(now: number): void {
    const tls = this.#tls!;
    const queue = this.#queue;
    for (let length = queue.next(now); length > 0; length = queue.next(now)) {
      const written = tls.write(queue.address, length);
      if (written === TLS_ENDED) return this.end({ kind: "TLS", reason: tls.failure });
      if (written <= 0) {
        queue.begin(length);
        if (this.#blockedAt === Infinity) this.#blockedAt = now;
        return this.#want(EPOLLIN | EPOLLOUT);
      }
      queue.taken(length);
      this.#sentBytes += length;
      if (this.#blockedAt !== Infinity) this.#blockedAt = now;
    }
    this.#blockedAt = Infinity;
    this.#want(EPOLLIN);
  }
}

/** As a stream would tell it that could not begin. */
export function couldNotBegin(error: unknown): StreamEnd {
  if (!(error instanceof SyscallError)) return { kind: "fault", message: messageOf(error) };
  return { kind: "unreachable", errno: error.errno, message: error.message };
}
