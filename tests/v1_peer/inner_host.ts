/**
 * The IP host at the peer's end of the tunnel. It answers pings, echoes UDP on port 7, refuses TCP
 * connections with a reset, asks the same of others, and checks every checksum it sees.
 */
import {
  addressBytes,
  buildPacket,
  ICMP,
  ICMPV6,
  type IpPacket,
  parsePacket,
  TCP,
  UDP,
  viewOf,
} from "./packet.ts";

const ECHO_PORT = 7;

const ECHO_REQUEST = { [ICMP]: 8, [ICMPV6]: 128 } as Record<number, number>;
const ECHO_REPLY = { [ICMP]: 0, [ICMPV6]: 129 } as Record<number, number>;
const FLAG_SYN = 2;
const FLAG_RST = 4;
const FLAG_ACK = 16;

/** What asks came back, by the number the ask had. */
export type AskKind = "ping" | "udp" | "syn";

interface HostOptions {
  /** Own addresses, IPv4 and IPv6. */
  addresses: readonly string[];
  /** "any": answers for whatever address is asked, as a whole internet would. */
  answersFor: "own" | "any";
  send: (packet: Uint8Array) => void;
  complain: (what: string) => void;
}

export class InnerHost {
  readonly counters = { packets: 0, answered: 0, unasked: 0 };
  readonly #options: HostOptions;
  readonly #own: readonly Uint8Array[];
  /** What is awaited: kind, far address, number; with the bytes of a UDP echo. */
  readonly #awaited = new Map<string, Uint8Array | null>();

  constructor(options: HostOptions) {
    this.#options = options;
    this.#own = options.addresses.map(addressBytes);
  }

  /** Answers that have not come. */
  get pending(): number {
    return this.#awaited.size;
  }

  forget(): void {
    this.#awaited.clear();
  }

  ask(kind: AskKind, to: string, number: number, port: number, content: Uint8Array): void {
    const far = addressBytes(to);
    this.#awaited.set(`${kind} ${far.toHex()} ${number}`, kind === "syn" ? null : content);
    if (kind === "ping") this.#sendEcho(far, number, content);
    else if (kind === "udp") this.#sendUdp(this.#ownFor(far), far, 20_000 + number, port, content);
    else this.#sendTcp(this.#ownFor(far), far, 20_000 + number, port, number, 0, FLAG_SYN);
  }

  /** Takes a packet that came out of the tunnel. */
  receive(bytes: Uint8Array): void {
    this.counters.packets++;
    const packet = parsePacket(bytes);
    if (typeof packet === "string") return this.#options.complain(`inner packet: ${packet}`);
    if (packet.isFragment) return;
    if (packet.protocol === ICMP || packet.protocol === ICMPV6) return this.#receiveIcmp(packet);
    const isMine = this.#options.answersFor === "any" ||
      this.#own.some((address) => address.toHex() === packet.destination.toHex());
    if (!isMine) return;
    if (packet.protocol === UDP) this.#receiveUdp(packet);
    if (packet.protocol === TCP) this.#receiveTcp(packet);
  }

  #receiveIcmp({ source, destination, protocol, payload }: IpPacket): void {
    const isMulticast = protocol === ICMPV6 && destination[0] === 0xff;
    if (payload[0] === ECHO_REPLY[protocol]) {
      this.#settle("ping", source, viewOf(payload).getUint16(6), payload.subarray(8));
    } else if (payload[0] === ECHO_REQUEST[protocol] && !isMulticast) {
      const reply = payload.slice();
      reply[0] = ECHO_REPLY[protocol]!;
      viewOf(reply).setUint16(2, 0);
      this.counters.answered++;
      this.#send(destination, source, protocol, reply);
    }
  }

  #receiveUdp({ source, destination, payload }: IpPacket): void {
    const from = viewOf(payload).getUint16(0);
    const to = viewOf(payload).getUint16(2);
    const content = payload.subarray(8);
    if (to !== ECHO_PORT) return this.#settle("udp", source, to - 20_000, content);
    this.counters.answered++;
    this.#sendUdp(destination, source, to, from, content);
  }

  #receiveTcp({ source, destination, payload }: IpPacket): void {
    const view = viewOf(payload);
    const flags = payload[13]!;
    if ((flags & FLAG_RST) !== 0) {
      return this.#settle("syn", source, view.getUint16(2) - 20_000, null);
    }
    if ((flags & FLAG_SYN) === 0) return;
    this.counters.answered++;
    const ports = [view.getUint16(2), view.getUint16(0)] as const;
    const acknowledged = (view.getUint32(4) + 1) >>> 0;
    this.#sendTcp(destination, source, ...ports, 0, acknowledged, FLAG_RST | FLAG_ACK);
  }

  #settle(kind: AskKind, from: Uint8Array, number: number, content: Uint8Array | null): void {
    const key = `${kind} ${from.toHex()} ${number}`;
    const expected = this.#awaited.get(key);
    if (expected === undefined) {
      this.counters.unasked++;
      return;
    }
    if (expected?.toHex() !== content?.toHex()) {
      this.#options.complain(`${kind} ${number}: other bytes came back`);
    }
    this.#awaited.delete(key);
  }

  #sendEcho(far: Uint8Array, number: number, content: Uint8Array): void {
    const protocol = far.length === 4 ? ICMP : ICMPV6;
    const message = new Uint8Array(8 + content.length);
    message[0] = ECHO_REQUEST[protocol]!;
    viewOf(message).setUint16(4, 0x7631);
    viewOf(message).setUint16(6, number);
    message.set(content, 8);
    this.#send(this.#ownFor(far), far, protocol, message);
  }

  #sendUdp(from: Uint8Array, to: Uint8Array, fromPort: number, toPort: number, text: Uint8Array) {
    const datagram = new Uint8Array(8 + text.length);
    const view = viewOf(datagram);
    view.setUint16(0, fromPort);
    view.setUint16(2, toPort);
    view.setUint16(4, datagram.length);
    datagram.set(text, 8);
    this.#send(from, to, UDP, datagram);
  }

  #sendTcp(
    from: Uint8Array,
    to: Uint8Array,
    fromPort: number,
    toPort: number,
    sequence: number,
    acknowledged: number,
    flags: number,
  ): void {
    const segment = new Uint8Array(20);
    const view = viewOf(segment);
    view.setUint16(0, fromPort);
    view.setUint16(2, toPort);
    view.setUint32(4, sequence);
    view.setUint32(8, acknowledged);
    segment[12] = 5 << 4;
    segment[13] = flags;
    view.setUint16(14, 0xffff);
    this.#send(from, to, TCP, segment);
  }

  #send(source: Uint8Array, destination: Uint8Array, protocol: number, payload: Uint8Array): void {
    this.#options.send(buildPacket({ source, destination, protocol, payload }));
  }

  #ownFor(far: Uint8Array): Uint8Array {
    return this.#own.find((address) => address.length === far.length)!;
  }
}
