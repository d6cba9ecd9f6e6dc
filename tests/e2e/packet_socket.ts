/** Frames as they pass an interface, and frames put onto it: packet(7), for the hostile sender. */

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 0x0003; // linux/if_ether.h, in network order on the wire
const PACKET_OUTGOING = 4; // linux/if_packet.h
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;
/** struct sockaddr_ll: family, protocol, ifindex i32, hatype, pkttype u8, halen, addr[8]. */
const SOCKADDR_LL_LENGTH = 20;
const SLL_IFINDEX_OFFSET = 4;
const SLL_PKTTYPE_OFFSET = 10;
const FRAME_BYTES_MAX = 128 * 1024;

const SYMBOLS = {
  // int socket(int domain, int type, int protocol);
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int setsockopt(int fd, int level, int name, const void *value, socklen_t length);
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  // int bind(int fd, const struct sockaddr *address, socklen_t length);
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // unsigned int if_nametoindex(const char *name);
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  // ssize_t recvfrom(int fd, void *buffer, size_t length, int flags, void *address, void *length);
  recvfrom: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "buffer"],
    result: "i32",
  },
  // ssize_t send(int fd, const void *buffer, size_t length, int flags);
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

export class PacketSocket {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #frame = new Uint8Array(FRAME_BYTES_MAX);
  readonly #address = new Uint8Array(256);
  readonly #addressLength = new Uint8Array(256);

  /** Throws where the interface is not there, or the user is not root. */
  constructor(interfaceName: string) {
    this.#libc = Deno.dlopen("libc.so.6", SYMBOLS);
    const { socket, setsockopt, bind, if_nametoindex } = this.#libc.symbols;
    const protocol = ETH_P_ALL << 8;
    this.#fd = socket(AF_PACKET, SOCK_RAW, protocol);
    const index = if_nametoindex(new TextEncoder().encode(`${interfaceName}\0`));
    const address = new DataView(this.#address.buffer);
    address.setUint16(0, AF_PACKET, true);
    address.setUint16(2, protocol, true);
    address.setInt32(SLL_IFINDEX_OFFSET, index, true);
    const size = new Uint8Array(new Uint32Array([RECEIVE_BUFFER_BYTES]).buffer);
    setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length);
    if (this.#fd < 0 || index === 0 || bind(this.#fd, this.#address, SOCKADDR_LL_LENGTH) < 0) {
      throw new Error(`Cannot open a packet socket on ${interfaceName}`);
    }
  }

  /** The next frame this machine has sent through the interface, or null when none waits. */
  nextSent(): Uint8Array | null {
    for (;;) {
      new DataView(this.#addressLength.buffer).setUint32(0, SOCKADDR_LL_LENGTH, true);
      const length = this.#libc.symbols.recvfrom(
        this.#fd,
        this.#frame,
        BigInt(FRAME_BYTES_MAX),
        MSG_DONTWAIT,
        this.#address,
        this.#addressLength,
      );
      if (length < 0) return null;
      if (this.#address[SLL_PKTTYPE_OFFSET] === PACKET_OUTGOING) {
        return this.#frame.slice(0, length);
      }
    }
  }

  /** False when the kernel did not take it. */
  send(frame: Uint8Array<ArrayBuffer>): boolean {
    return this.#libc.symbols.send(this.#fd, frame, BigInt(frame.length), 0) === frame.length;
  }
}
