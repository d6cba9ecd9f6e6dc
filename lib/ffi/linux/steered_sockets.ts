/**
 * Several UDP sockets on one port (SO_REUSEPORT), among which a program of the classic packet filter
 * chooses by a number in the datagram (SO_ATTACH_REUSEPORT_CBPF, socket(7)).
 */
import type { Libc } from "../libc/libc.ts";
import { pinnedBytes } from "../memory/arena.ts";
import { openServerSocket, portIn, type ServerSocket, SOL_SOCKET } from "./socket.ts";

const SO_REUSEPORT = 15;
const SO_ATTACH_REUSEPORT_CBPF = 51;

/** linux/filter.h: A = the 32 bits at offset k of the payload, in network order; 0 where it is shorter. */
const BPF_LD_W_ABS = 0x20;
/** A = A mod k. */
const BPF_ALU_MOD_K = 0x94;
/** The program's result is A. */
const BPF_RET_A = 0x16;
/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. */
const INSTRUCTION_BYTES = 8;
/** struct sock_fprog: u16 len, struct sock_filter *filter. */
const PROGRAM_BYTES = 16;
const PROGRAM_POINTER = 8;

/**
 * The server's sockets, as `openServerSocket` has one: socket n gets the datagrams whose u32 at
 * `offset` of the payload is n modulo `count`.
 * @throws SyscallError, EADDRINUSE when any program has the port, whatever it shares.
 */
export function openSteeredSockets(
  libc: Libc,
  port: number,
  count: number,
  offset: number,
): ServerSocket[] {
  const sockets: ServerSocket[] = [];
  try {
    const shared = requireFree(libc, port);
    const share = (fd: number) =>
      libc.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1, "share a port among sockets");
    // The kernel numbers them in the order in which they get the port.
    while (sockets.length < count) sockets.push(openServerSocket(libc, shared, share));
    steer(libc, sockets[0]!.fd, count, offset);
    return sockets;
  } catch (error) {
    for (const { fd } of sockets) libc.closeFile(fd);
    throw error;
  }
}

/** A second server of the same user could share the port and take half of the clients from the first. */
function requireFree(libc: Libc, port: number): number {
  const { fd } = openServerSocket(libc, port);
  const taken = portIn(libc.socketName(fd));
  libc.closeFile(fd);
  return taken;
}

function steer(libc: Libc, fd: number, count: number, offset: number): void {
  const instructions = [
    [BPF_LD_W_ABS, offset],
    [BPF_ALU_MOD_K, count],
    [BPF_RET_A, 0],
  ] as const;
  const { bytes, address } = pinnedBytes(instructions.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, operand]] of instructions.entries()) {
    view.setUint16(index * INSTRUCTION_BYTES, code, true);
    view.setUint32(index * INSTRUCTION_BYTES + 4, operand, true);
  }
  const program = new Uint8Array(PROGRAM_BYTES);
  const programView = new DataView(program.buffer);
  programView.setUint16(0, instructions.length, true);
  programView.setBigUint64(PROGRAM_POINTER, address, true);
  const action = "steer datagrams to engine threads (it needs Linux 4.5)";
  libc.setOptionBytes(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program, action);
  // The kernel has copied the program: its memory may go.
  bytes.fill(0);
}
