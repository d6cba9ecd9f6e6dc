/** A TUN device at the peer's end of the tunnel, so that ping and iperf3 run through the peer. */
import { AsyncPoll } from "../../lib/ffi/libc/async_poll.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { openTun } from "../../lib/ffi/linux/tun.ts";
import { pinnedBytes } from "../../lib/ffi/memory/arena.ts";
import { parsePacket } from "./packet.ts";

const PACKET_BYTES_MAX = 65_535;
const READS_PER_TURN = 64;

export class TunEnd {
  readonly counters = { packets: 0, answered: 0, unasked: 0 };
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #into = pinnedBytes(PACKET_BYTES_MAX);
  readonly #out = pinnedBytes(PACKET_BYTES_MAX);

  private constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  static open(name: string): TunEnd {
    const libc = Libc.open();
    return new TunEnd(libc, openTun(libc, name, false).fd);
  }

  /** Hands on what the machine sends, until the device is gone. */
  async run(send: (packet: Uint8Array) => void): Promise<void> {
    const poll = new AsyncPoll(this.#libc, this.#fd);
    while (await poll.wait() === "readable") {
      for (let reads = 0; reads < READS_PER_TURN; reads++) {
        const length = this.#libc.read(this.#fd, this.#into.address, BigInt(PACKET_BYTES_MAX));
        if (length <= 0) break;
        send(this.#into.bytes.slice(0, length));
      }
    }
    poll.close();
  }

  receive(packet: Uint8Array, complain: (what: string) => void): void {
    this.counters.packets++;
    const parsed = parsePacket(packet);
    if (typeof parsed === "string") complain(`inner packet: ${parsed}`);
    this.#out.bytes.set(packet);
    this.#libc.write(this.#fd, this.#out.address, BigInt(packet.length));
  }
}
