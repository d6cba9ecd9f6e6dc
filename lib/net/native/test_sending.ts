/** For tests: a sender of records with real sockets on the loopback interface. */
import { ok } from "node:assert/strict";
import type { Opener, Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import { openServerSocket, SOL_UDP } from "../../ffi/linux/socket.ts";
import { Arena } from "../../ffi/memory/arena.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { RECORD_OVERHEAD } from "../../protocol/wire/header.ts";
import { SessionPath } from "../../protocol/path/session_path.ts";
import type { PathObserver } from "../driver/ends.ts";
import { Loopback } from "../../../testing/loopback.ts";
import type { SessionEntry } from "../driver/sessions.ts";
import { SocketTable } from "./sockets.ts";
import { UdpSender } from "./udp_sender.ts";

/** Of a `struct msghdr`. */
const IOV_AT = 16;
const CONTROL_AT = 32;
const CONTROL_LENGTH_AT = 40;

interface SetUpOptions {
  readonly gso?: boolean;
  readonly isConnected?: boolean;
  readonly open?: typeof openServerSocket;
}

/** A sender with two paths; records are filled with their number. */
export class Sending implements Disposable {
  readonly loopback: Loopback;
  readonly arena = new Arena(2000);
  readonly drops = new DropCounters();
  readonly told: string[] = [];
  readonly client: ReturnType<Loopback["connect"]>;
  readonly other: ReturnType<Loopback["connect"]>;
  readonly paths = [0, 1].map((id) => new SessionPath(id, `link ${id}`, id, 0));
  /** Instead of a sealed record, its number over and over. */
  readonly entry = {
    session: {
      writeRecord: (view: DataView, offset: number, _path: SessionPath, length: number) => {
        const number = ++this.#records;
        const bytes = new Uint8Array(view.buffer);
        bytes.fill(number, offset, offset + length + RECORD_OVERHEAD);
        return { seal: () => this.seals };
      },
    },
  } as unknown as SessionEntry<Sealer, Opener>;
  readonly observer: PathObserver<Sealer, Opener> = {
    linkFailed: (_, path) => this.told.push(`${path.name} failed`),
    linkWorks: (_, path) => this.told.push(`${path.name} works`),
    packetRefused: (_, path, bytes) => this.told.push(`${path.name} refused ${bytes} bytes`),
  };
  seals = true;
  readonly sockets: SocketTable;
  readonly sender: UdpSender;
  #records = 0;

  constructor({ gso = true, isConnected = true, open }: SetUpOptions = {}) {
    this.loopback = new Loopback(open);
    this.client = this.loopback.connect();
    this.other = this.loopback.connect();
    this.sockets = new SocketTable(isConnected, !isConnected && this.loopback.socket.isV6);
    if (isConnected) {
      for (const { fd } of [this.client, this.other]) this.sockets.add({ fd, gso });
    } else {
      this.sockets.add({ fd: this.loopback.socket.fd, gso });
    }
    this.sender = new UdpSender(
      ...[this.loopback.libc, this.sockets, this.arena, this.drops, () => this.observer] as const,
    );
  }

  /** Lets the kernel answer `errnoOf(records)` in place of 0; returns how many records each send had. */
  refuse(errnoOf: (records: number) => number): number[] {
    const { libc } = this.loopback;
    const tried: number[] = [];
    const sendmsg = libc.sendmsg.bind(libc);
    libc.sendmsg = (fd, message, flags) => {
      const records = this.#recordsOf(Number(message) - this.arena.origin);
      tried.push(records);
      const errno = errnoOf(records);
      return errno === 0 ? sendmsg(fd, message, flags) : -errno;
    };
    return tried;
  }

  /** How many datagrams a `struct msghdr` makes: what UDP_SEGMENT says, if it is there. */
  #recordsOf(header: number): number {
    const { view, origin } = this.arena;
    const at = (field: number) => Number(view.getBigUint64(header + field, true)) - origin;
    const bytes = view.getUint32(at(IOV_AT) + 8, true);
    const hasControl = view.getUint32(header + CONTROL_LENGTH_AT, true) > 0;
    const control = at(CONTROL_AT);
    const isCut = hasControl && view.getInt32(control + 8, true) === SOL_UDP;
    return isCut ? Math.ceil(bytes / view.getUint16(control + 16, true)) : 1;
  }

  put(length: number, path = 0, trafficClass = 0): void {
    const outgoing = Object.assign(new OutgoingRecord(), { trafficClass });
    this.sender.send(
      ...[
        this.entry,
        this.paths[path]!,
        this.arena,
        0,
        length - RECORD_OVERHEAD,
        outgoing,
        0,
      ] as const,
    );
  }

  /** Datagrams that arrived, each as `number x length`, in order. */
  arrived(fd?: number): string[] {
    return this.loopback.arrivals(fd).flatMap(({ bytes, segment }) => {
      const length = segment || bytes.length;
      const datagrams: string[] = [];
      for (let at = 0; at < bytes.length; at += length) {
        const datagram = bytes.subarray(at, at + length);
        ok(datagram.every((byte) => byte === datagram[0]));
        datagrams.push(`${datagram[0]}x${datagram.length}`);
      }
      return datagrams;
    });
  }

  [Symbol.dispose](): void {
    this.loopback[Symbol.dispose]();
  }
}
