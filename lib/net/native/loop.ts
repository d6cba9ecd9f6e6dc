/**
 * The thread of the native engine: waits in ppoll, moves what is ready in both directions, and runs
 * timers. The order in one turn is control, sockets, TUN device, timers.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { EINTR } from "../../ffi/libc/errno.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { Libcrypto, type Opener, type Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import type { TunDevice } from "../../ffi/linux/tun.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import type { PathRule } from "../../protocol/wire/path_rule.ts";
import { Driver } from "../driver/driver.ts";
import type {
  EngineEvent,
  EngineSession,
  SessionHeard,
  SessionLimits,
  SessionReport,
} from "../engine.ts";
import { Codecs } from "./codecs.ts";
import { Handover, type HandoverPlan } from "./handover.ts";
import { MemoryLayout } from "./memory_layout.ts";
import { PollSet } from "./poll_set.ts";
import { type EngineSocket, SocketTable } from "./sockets.ts";
import { TunReader } from "./tun_reader.ts";
import { TunWriter } from "./tun_writer.ts";
import { UdpReceiver } from "./udp_receiver.ts";
import { UdpSender } from "./udp_sender.ts";
import { WakeModeration } from "./wake_moderation.ts";

/** Packets that leave so soon are held back by a pacer. */
const HELD_MS = 1.5;

interface LoopOptions {
  readonly tun: TunDevice;
  /** Becomes readable when the loop has to look at its messages. */
  readonly wakeFd: number;
  /** The socket all sessions share (server), or null: each path brings its own (client). */
  readonly sharedSocket: EngineSocket & { readonly isV6: boolean } | null;
  readonly drops: Float64Array;
  /** What it shares with other threads of the engine; missing: it is the only one. */
  readonly handover?: HandoverPlan | null;
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
  readonly #libc: Libc;
  readonly #options: LoopOptions;
  readonly #layout = new MemoryLayout();
  readonly #codecs: Codecs;
  readonly #sockets: SocketTable;
  readonly #sender: UdpSender;
  readonly #receiver: UdpReceiver;
  readonly #reader: TunReader;
  readonly #driver: Driver<Sealer, Opener>;
  readonly #poll: PollSet;
  /** Null: this is the only thread. */
  readonly #handover: Handover | null;

  constructor(libc: Libc, options: LoopOptions) {
    this.#libc = libc;
    this.#options = options;
    const { tun, sharedSocket, wakeFd } = options;
    const layout = this.#layout;
    const { arena, made } = layout;
    const drops = new DropCounters(options.drops);
    this.#sockets = new SocketTable(sharedSocket === null, sharedSocket?.isV6 ?? false);
    if (sharedSocket !== null) this.#sockets.add(sharedSocket);
    this.#codecs = new Codecs(arena, made.compressed, made.inflated);
    const { handover: plan = null } = options;
    const handover = plan === null ? null : new Handover(libc, layout, plan, drops);
    this.#handover = handover;
    this.#sender = new UdpSender(libc, this.#sockets, arena, drops, () => this.#driver);
    this.#driver = new Driver({
      suite: Libcrypto.open(),
      random: (into) => crypto.getRandomValues(into),
      flowSeed: crypto.getRandomValues(new Int32Array(1))[0]!,
      unixOffsetMs: Date.now() - performance.now(),
      drops,
      packets: new TunWriter(libc, tun, layout, drops),
      records: this.#sender,
      codecs: this.#codecs,
      made,
      emit: options.emit,
      ...(handover === null
        ? {}
        : { handOver: (flow, packet, length) => handover.give(flow, packet, length) }),
    }, arena);
    this.#receiver = new UdpReceiver(libc, layout, this.#sockets, this.#driver.inbound);
    this.#reader = new TunReader(libc, tun, layout);
    this.#poll = new PollSet(libc, arena, wakeFd, tun.fd);
  }

  /** Runs until `handleMessages` says to end, or the TUN device is gone. */
  run(): void {
    const driver = this.#driver;
    const { outbound } = driver;
    const isFull = (socket: number) => sender.isSocketFull(socket);
    const mayRead = () => !sender.isBlocked && !driver.isFull;
    const forward = outbound.forward.bind(outbound);
    const poll = this.#poll;
    const sender = this.#sender;
    const moderation = new WakeModeration();
    const handover = this.#handover;
    const reader = this.#reader;
    const receiver = this.#receiver;
    const handOn = (length: number) => void reader.handOn(length, forward);
    for (;;) {
      poll.watch(this.#sockets);
      const wakeAt = Math.min(driver.nextTick, sender.retryAt);
      const waitFrom = performance.now();
      const count = poll.wait(
        wakeAt - waitFrom,
        sender.isBlocked ? isFull : null,
        mayRead(),
      );
      const now = performance.now();
      if (count < 0 && count !== -EINTR) {
        throw new Error(`Cannot wait for packets: errno ${-count}`);
      }
      if (count > 0 && poll.isWoken) {
        this.#libc.clearEventfd(this.#options.wakeFd);
        if (!this.#options.handleMessages(this)) return;
        if (handover === null) continue;
      }
      if (count > 0) {
        if (poll.isTunGone) throw new Error("Cannot go on: the TUN device is gone");
        moderation.turnStarted(now - waitFrom, now);
        for (let i = 0; i < poll.sockets; i++) {
          if (!poll.isReadable(i)) continue;
          moderation.moved(receiver.run(poll.socket(i), now));
          if (receiver.isMoreLeft) moderation.leftMore();
        }
        if (sender.isBlocked && poll.isWritable) sender.retry(now);
        if (handover !== null) moderation.moved(handover.take(handOn, mayRead));
        if (poll.isTunReadable) {
          moderation.moved(reader.run(forward, mayRead));
          if (reader.isMoreLeft) moderation.leftMore();
        }
        driver.turn(performance.now());
        if (handover !== null) handover.flush();
      }
      const after = performance.now();
      if (after >= sender.retryAt) {
        sender.retry(after);
        handover?.resume();
      }
      if (after >= driver.nextTick) driver.tick(after);
      const isHolding = driver.nextDeparture - after <= HELD_MS;
      if ((count > 0 || isHolding) && !sender.isBlocked) {
        const pauseMs = Math.min(moderation.pauseMs(after, isHolding), driver.nextTick - after);
        if (pauseMs > 0) poll.pause(pauseMs);
      }
    }
  }

  openSession(spec: EngineSession): void {
    try {
      this.#driver.openSession(spec, performance.now());
    } catch (error) {
      this.#emitFailed(spec.id, error);
    }
    spec.key.fill(0);
  }

  closeSession(id: number): void {
    this.#driver.closeSession(id, performance.now());
  }

  /** Adds a path with a socket of its own, which belongs to the loop from here on. */
  addPath(path: LoopPath): void {
    const { id, name, family } = path;
    let socket = -1;
    try {
      socket = this.#sockets.add(path.socket);
      const added = { id, name, socket, peer: null, family };
      if (this.#driver.addPath(path.session, added, performance.now()) === null) {
        this.#closeSocket(path.socket.fd, socket);
      }
    } catch (error) {
      this.#closeSocket(path.socket.fd, socket);
      this.#emitFailed(path.session, error);
      this.#driver.closeSession(path.session, performance.now());
    }
  }

  removePath(session: number, id: number): void {
    this.#driver.removePath(session, id, performance.now());
  }

  setPathRule(session: number, path: number, rule: PathRule): void {
    this.#driver.setPathRule(session, path, rule, performance.now());
  }

  setLimits(session: number, limits: SessionLimits): void {
    try {
      this.#driver.setLimits(session, limits, performance.now());
    } catch (error) {
      this.#emitFailed(session, error);
      this.#driver.closeSession(session, performance.now());
    }
  }

  probePaths(session: number): void {
    this.#driver.probePaths(session, performance.now());
  }

  askToLeave(session: number): void {
    this.#driver.askToLeave(session, performance.now());
  }

  report(): SessionReport[] {
    return this.#driver.report(performance.now());
  }

  /** The networks behind a client of another thread. */
  setRoutesElsewhere(ipv4: string, prefixes: readonly string[]): void {
    this.#handover?.setRoutes(ipv4, prefixes);
  }

  heard(): SessionHeard[] {
    return this.#driver.heard(performance.now());
  }

  /** Ends all sessions, telling the peers. */
  close(): void {
    this.#driver.close(performance.now());
    this.#codecs.free();
  }

  #closeSocket(fd: number, socket: number): void {
    this.#libc.closeFile(fd);
    if (socket >= 0) this.#sockets.remove(socket);
  }

  #emitFailed(session: number, error: unknown): void {
    const message = messageOf(error);
    this.#options.emit({ kind: "session failed", session, message });
  }
}
