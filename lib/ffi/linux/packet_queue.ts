/**
 * Packets that a firewall rule holds until they are let go (nfnetlink_queue): the rule names the queue
 * by its number, the program gets each packet and says when it may go on. While nobody listens, or too
 * many wait, the kernel lets them pass, where the rule says so (`bypass`).
 *
 * Messages, linux/netlink.h, linux/netfilter/nfnetlink.h and nfnetlink_queue.h:
 *
 *   0         4      6       8      12     16       17        18
 *   | length | type | flags | seq  | port | family | version | queue (BE) | attributes ...
 */
import { pinnedBytes } from "../memory/arena.ts";
import { EAGAIN, SyscallError } from "../libc/errno.ts";
import type { Libc } from "../libc/libc.ts";

const AF_NETLINK = 16;
const NETLINK_NETFILTER = 12;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const SOCKADDR_NL_LENGTH = 12;
const SOL_NETLINK = 270;
/** Packets that were not told of pass: that is no error of the descriptor, which poll would end with. */
const NETLINK_NO_ENOBUFS = 5;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const HEADER_LENGTH = 16;
const FAMILY_HEADER_LENGTH = 4;
const ATTRIBUTE_HEADER_LENGTH = 4;
const ATTRIBUTE_TYPE_MASK = 0x3fff;

const SUBSYSTEM = 3 << 8;
const MSG_PACKET = SUBSYSTEM;
const MSG_VERDICT = SUBSYSTEM | 1;
const MSG_CONFIG = SUBSYSTEM | 2;
const PACKET_HEADER = 1;
const PACKET_PAYLOAD = 10;
const VERDICT_HEADER = 2;
const CONFIG_COMMAND = 1;
const CONFIG_PARAMETERS = 2;
const CONFIG_LENGTH_MAX = 3;
const CONFIG_MASK = 4;
const CONFIG_FLAGS = 5;
const COMMAND_BIND = 1;
const COPY_PACKET = 2;
/** Beyond the length they pass, rather than being dropped. */
const FLAG_FAIL_OPEN = 1;
const NF_ACCEPT = 1;

/** So many wait at most. */
const LENGTH_MAX = 256;
const PACKET_BYTES_MAX = 0xffff;
const RECEIVE_BYTES = PACKET_BYTES_MAX + 4096;
const SEND_BYTES = 64;

interface QueuedPacket {
  readonly id: number;
  /** The IP packet; valid until the next is received. */
  readonly bytes: Uint8Array;
}

export class PacketQueue {
  readonly descriptor: number;
  readonly #libc: Libc;
  readonly #number: number;
  readonly #received = pinnedBytes(RECEIVE_BYTES);
  readonly #sent = pinnedBytes(SEND_BYTES);

  /** @throws SyscallError where the kernel has none, or another program has that one. */
  constructor(libc: Libc, number: number) {
    this.#libc = libc;
    this.#number = number;
    this.descriptor = libc.socket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, NETLINK_NETFILTER);
    try {
      const address = new Uint8Array(SOCKADDR_NL_LENGTH);
      new DataView(address.buffer).setUint16(0, AF_NETLINK, true);
      libc.bind(this.descriptor, address, "open a queue of packets");
      libc.setOption(
        ...[this.descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, 1] as const,
        "open a queue of packets",
      );
      this.#configure(CONFIG_COMMAND, [COMMAND_BIND, 0, 0, 0]);
      this.#configure(CONFIG_PARAMETERS, [...bigEndian(PACKET_BYTES_MAX), COPY_PACKET]);
      this.#configure(CONFIG_LENGTH_MAX, bigEndian(LENGTH_MAX));
      this.#configure(CONFIG_FLAGS, bigEndian(FLAG_FAIL_OPEN), [
        CONFIG_MASK,
        bigEndian(FLAG_FAIL_OPEN),
      ]);
    } catch (error) {
      libc.closeFile(this.descriptor);
      throw error;
    }
  }

  /** What waits next, or null: nothing at present. */
  receive(): QueuedPacket | null {
    for (;;) {
      const { bytes, address } = this.#received;
      const length = this.#libc.read(this.descriptor, address, BigInt(bytes.length));
      if (length <= 0) return null;
      const packet = readPacket(bytes.subarray(0, length));
      if (packet !== null) return packet;
    }
  }

  /** Lets a packet go on. One that is unknown is ignored. */
  accept(id: number): void {
    this.#send(MSG_VERDICT, 0, [[VERDICT_HEADER, [...bigEndian(NF_ACCEPT), ...bigEndian(id)]]]);
  }

  /** Lets pass what waits unread. What was received and not let go is lost: the kernel drops it. */
  close(): void {
    for (let read = 0; read < LENGTH_MAX; read++) {
      const packet = this.receive();
      if (packet === null) break;
      this.accept(packet.id);
    }
    this.#libc.closeFile(this.descriptor);
  }

  #configure(type: number, value: number[], ...more: Attribute[]): void {
    this.#send(MSG_CONFIG, NLM_F_ACK, [[type, value], ...more]);
    // Nothing is queued before the rule is there: the answer is the next message.
    const { bytes, address } = this.#received;
    const length = this.#libc.read(this.descriptor, address, BigInt(bytes.length));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isAnswer = length >= HEADER_LENGTH + 4 && view.getUint16(4, true) === NLMSG_ERROR;
    const errno = isAnswer ? -view.getInt32(HEADER_LENGTH, true) : length < 0 ? -length : EAGAIN;
    if (errno !== 0) throw new SyscallError(`open queue ${this.#number} of packets`, errno);
  }

  #send(type: number, flags: number, attributes: readonly Attribute[]): void {
    const { bytes, address } = this.#sent;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    bytes.fill(0);
    view.setUint16(4, type, true);
    view.setUint16(6, NLM_F_REQUEST | flags, true);
    view.setUint16(HEADER_LENGTH + 2, this.#number);
    let at = HEADER_LENGTH + FAMILY_HEADER_LENGTH;
    for (const [kind, value] of attributes) {
      view.setUint16(at, ATTRIBUTE_HEADER_LENGTH + value.length, true);
      view.setUint16(at + 2, kind, true);
      bytes.set(value, at + ATTRIBUTE_HEADER_LENGTH);
      at += aligned(ATTRIBUTE_HEADER_LENGTH + value.length);
    }
    view.setUint32(0, at, true);
    const written = this.#libc.write(this.descriptor, address, BigInt(at));
    if (written < 0 && flags !== 0) {
      throw new SyscallError(`open queue ${this.#number} of packets`, -written);
    }
  }
}

type Attribute = readonly [type: number, value: readonly number[]];

/** Null for any other message, and for what cannot be read. */
export function readPacket(message: Uint8Array): QueuedPacket | null {
  if (message.length < HEADER_LENGTH + FAMILY_HEADER_LENGTH) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (view.getUint16(4, true) !== MSG_PACKET) return null;
  let id: number | null = null;
  let bytes: Uint8Array | null = null;
  let at = HEADER_LENGTH + FAMILY_HEADER_LENGTH;
  while (at + ATTRIBUTE_HEADER_LENGTH <= message.length) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_LENGTH || at + length > message.length) break;
    const type = view.getUint16(at + 2, true) & ATTRIBUTE_TYPE_MASK;
    const value = at + ATTRIBUTE_HEADER_LENGTH;
    if (type === PACKET_HEADER && length >= ATTRIBUTE_HEADER_LENGTH + 4) id = view.getUint32(value);
    if (type === PACKET_PAYLOAD) bytes = message.subarray(value, at + length);
    at += aligned(length);
  }
  return id === null ? null : { id, bytes: bytes ?? new Uint8Array(0) };
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

function bigEndian(value: number): number[] {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
}
