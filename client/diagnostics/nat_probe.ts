/**
 * Asks the server's second UDP port from the very socket address that the data port has seen: the
 * source port of a path that was just closed, so that the mapping of a NAT is still there.
 */
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { DatagramSocket } from "../../lib/net/portable/datagram_socket.ts";
import { PeerAddress } from "../../lib/protocol/path/peer_address.ts";
import {
  decodeMappingAnswer,
  encodeMappingQuery,
  MAPPING_MESSAGE_LENGTH,
  MAPPING_NONCE_LENGTH,
  type MappingTicket,
} from "../../lib/protocol/wire/mapping_message.ts";

const ATTEMPTS = 3;
const ANSWER_TIMEOUT_MS = 700;
/** The kernel gives a port back soon after the socket is closed, not at once. */
const PORT_ATTEMPTS = 20;
const PORT_PAUSE_MS = 25;

interface NatProbe {
  readonly device: string;
  /** Of the server, in the family of the link. */
  readonly address: string;
  readonly sourcePort: number;
}

/**
 * As whom `address` sees the socket. Null: no answer came. "port taken": another program has the
 * source port by now.
 */
export async function probeNat(
  libc: Libc,
  ticket: MappingTicket,
  { device, address, sourcePort }: NatProbe,
): Promise<string | null | "port taken"> {
  const socket = await openFrom(libc, { device, address, sourcePort }, ticket.port);
  if (socket === null) return "port taken";
  try {
    return await ask(socket, ticket, address);
  } finally {
    socket.close();
  }
}

async function openFrom(
  libc: Libc,
  { device, address, sourcePort }: NatProbe,
  port: number,
): Promise<DatagramSocket | null> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const way = { id: 0, name: device, device, server: address, port, sourcePort };
    const socket = DatagramSocket.openPath(libc, way);
    if (socket.port === sourcePort) return socket;
    socket.close();
    await new Promise((resolve) => setTimeout(resolve, PORT_PAUSE_MS));
  }
  return null;
}

/** One query, sent again until it is answered or given up. */
async function ask(
  socket: DatagramSocket,
  ticket: MappingTicket,
  hostname: string,
): Promise<string | null> {
  const nonce = crypto.getRandomValues(new Uint8Array(MAPPING_NONCE_LENGTH));
  const to = { transport: "udp", hostname, port: ticket.port } as const;
  const datagram = encodeMappingQuery(ticket, nonce);
  const answer = answerTo(socket, ticket.key, nonce);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    socket.send({ datagram, trafficClass: 0, to, sent() {}, failed() {} });
    const over = Promise.withResolvers<null>();
    const timer = setTimeout(() => over.resolve(null), ANSWER_TIMEOUT_MS);
    const seen = await Promise.race([over.promise, answer]);
    clearTimeout(timer);
    if (seen !== null) return seen;
  }
  return null;
}

/** Null when the socket was closed. What is no answer is passed over. */
async function answerTo(
  socket: DatagramSocket,
  key: Uint8Array,
  nonce: Uint8Array,
): Promise<string | null> {
  const into = new Uint8Array(MAPPING_MESSAGE_LENGTH + 1);
  const seen = new PeerAddress();
  for (;;) {
    const received = await socket.receive(into);
    if (received === null) return null;
    const datagram = into.subarray(0, received.length);
    if (decodeMappingAnswer(datagram, key, nonce, seen)) return seen.toString();
  }
}
