/**
 * Seals records and hands them to their sockets. Sealing takes turns of the event loop, so several
 * records are under way at a time; they leave in the order in which they were made.
 */
import { isLinkGoneCode } from "../../ffi/linux/link_gone.ts";
import type { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { PAYLOAD_OFFSET, RECORD_OVERHEAD } from "../../protocol/wire/header.ts";
import type { PathObserver, RecordSink } from "../driver/ends.ts";
import type { PacketMemory } from "../driver/memory.ts";
import { InOrder } from "./in_order.ts";
import { netAddress } from "./net_address.ts";
import type { SessionEntry } from "../driver/sessions.ts";
import type { SocketTable } from "./socket_table.ts";
import type { WebOpener, WebSealer } from "./web_crypto.ts";

/** Records being sealed; packets wait in the TUN device beyond that. */
const SEALING_MAX = 64;
/** Heartbeats and messages may be sealed besides packets, up to this many records in all. */
const SEALING_CONTROL_MAX = 256;
/** How long a closing socket waits for its last records. */
const LAST_WORDS_MS = 1000;

/** The TUN device is left unread for this long at most while a socket is full. */
const BLOCKED_MAX_MS = 100;

interface SealedRecord {
  readonly entry: SessionEntry<WebSealer, WebOpener>;
  readonly path: SessionPath;
  readonly record: Uint8Array<ArrayBuffer>;
  readonly trafficClass: number;
  readonly isSealed: boolean;
}

interface SenderHooks {
  readonly observer: () => PathObserver<WebSealer, WebOpener>;
  /** Lets a task run by itself. */
  readonly start: (task: Promise<void>) => void;
  /** Told of errors that should not be. */
  readonly fail: (error: unknown) => void;
}

export class RecordSender implements RecordSink<WebSealer, WebOpener> {
  readonly #sockets: SocketTable;
  readonly #drops: DropCounters;
  readonly #hooks: SenderHooks;
  readonly #sealing: InOrder<SealedRecord>;
  /** Addresses of paths as Deno wants them, with the peer address they were made from. */
  readonly #addresses = new WeakMap<SessionPath, { peer: PeerAddress; to: Deno.NetAddr }>();

  constructor(sockets: SocketTable, drops: DropCounters, hooks: SenderHooks) {
    this.#sockets = sockets;
    this.#drops = drops;
    this.#hooks = hooks;
    this.#sealing = new InOrder(SEALING_MAX, (sealed) => this.#send(sealed), hooks.fail);
  }

  /** Whether packets may be read: neither the ciphers nor the sockets are behind. */
  get hasRoom(): boolean {
    return this.#sealing.hasRoom && !this.#sockets.isAnyBusy;
  }

  get hasControlRoom(): boolean {
    return this.#sealing.count < SEALING_CONTROL_MAX;
  }

  /** Resolves when more packets may be read, after 100 ms at the latest: a path may be dead. */
  async whenRoom(): Promise<void> {
    if (!this.#sealing.hasRoom) await this.#sealing.whenRoom();
    if (!this.#sockets.isAnyBusy) return;
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, BLOCKED_MAX_MS);
    await Promise.race([this.#sockets.whenSent(), timeout.promise]);
    clearTimeout(timer);
  }

  send(
    entry: SessionEntry<WebSealer, WebOpener>,
    path: SessionPath,
    memory: PacketMemory,
    payload: number,
    length: number,
    outgoing: OutgoingRecord,
  ): void {
    const record = new Uint8Array(length + RECORD_OVERHEAD);
    record.set(memory.bytes.subarray(payload, payload + length), PAYLOAD_OFFSET);
    const view = new DataView(record.buffer);
    const sealer = entry.session.writeRecord(view, 0, path, length, outgoing);
    const { trafficClass } = outgoing;
    const seal = async () => {
      const isSealed = await sealer.seal(record);
      return { entry, path, record, trafficClass, isSealed };
    };
    this.#sealing.push(seal());
  }

  flush(): void {
    // Records leave as they are sealed.
  }

  /** Closes a path's own socket once its records have left, or after a second. */
  close(path: SessionPath): void {
    const number = path.socket;
    if (this.#sockets.server(number) !== null) this.closeAfterLastWords([number]);
  }

  closeAfterLastWords(numbers: readonly number[]): void {
    this.#hooks.start(this.#closeAfterLastWords(numbers));
  }

  async #closeAfterLastWords(numbers: readonly number[]): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, LAST_WORDS_MS);
    const sent = this.#sealing.whenDone().then(async () => {
      for (const number of numbers) await this.#sockets.get(number)?.whenSent();
    });
    await Promise.race([sent, timeout.promise]);
    clearTimeout(timer);
    for (const number of numbers) {
      this.#sockets.get(number)?.close();
      this.#sockets.remove(number);
    }
  }

  #send({ entry, path, record, trafficClass, isSealed }: SealedRecord): void {
    const socket = this.#sockets.get(path.socket);
    if (!isSealed || socket === undefined) return this.#drops.count("send failed");
    const hasRoom = socket.send({
      datagram: record,
      trafficClass,
      to: this.#sockets.server(path.socket) ?? this.#address(path, socket.isV6),
      sent: () => {
        if (path.isLinkGone) this.#hooks.observer().linkWorks(entry, path, performance.now());
      },
      failed: (code) => this.#failed(entry, path, record.length - RECORD_OVERHEAD, code),
    });
    if (!hasRoom) this.#drops.count("send buffer full");
  }

  #address(path: SessionPath, isV6: boolean): Deno.NetAddr {
    const known = this.#addresses.get(path);
    if (known !== undefined && known.peer.equals(path.peer)) return known.to;
    const peer = new PeerAddress();
    peer.copyFrom(path.peer);
    const to = netAddress(peer, isV6);
    this.#addresses.set(path, { peer, to });
    return to;
  }

  #failed(
    entry: SessionEntry<WebSealer, WebOpener>,
    path: SessionPath,
    bytes: number,
    code: string,
  ): void {
    const now = performance.now();
    if (code === "ENOBUFS" || code === "EAGAIN") return this.#drops.count("send buffer full");
    if (code === "EMSGSIZE") {
      this.#hooks.observer().packetRefused(entry, path, bytes, now);
      return this.#drops.count("too big for path");
    }
    this.#drops.count("send failed");
    const isClients = this.#sockets.server(path.socket) !== null;
    if (isClients && isLinkGoneCode(code)) this.#hooks.observer().linkFailed(entry, path, now);
  }
}
