/**
 * The second UDP port of the server, at the number of the control port: tells a client that has
 * been given a ticket from where it is reached there, so that `fluxify-client diag` can say how a NAT
 * maps. Nobody else gets an answer.
 */
import { AsyncPoll } from "../../lib/ffi/libc/async_poll.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { cmsgSpace, MessageBuffer } from "../../lib/ffi/linux/message.ts";
import {
  MSG_DONTWAIT,
  openServerSocket,
  type ServerSocket,
  SO_RCVBUF,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
} from "../../lib/ffi/linux/socket.ts";
import { Arena } from "../../lib/ffi/memory/arena.ts";
import {
  LOCAL_ADDRESS_SPACE,
  readPeer,
  SOCKADDR_CAPACITY,
  writePeer,
} from "../../lib/net/native/peer_sockaddr.ts";
import { PeerAddress } from "../../lib/protocol/path/peer_address.ts";
import {
  answerMappingQuery,
  mappingKey,
  type MappingTicket,
  newMappingTicket,
} from "../../lib/protocol/wire/mapping_message.ts";

/** A diagnosis asks within seconds; `--load` makes it wait for half a minute. */
const TICKET_MS = 120_000;
/**
 * What is read in a turn, and the pause behind it: 200 datagrams a second at the most, however many
 * come. The kernel drops the others, at no cost to the rest of the server.
 */
const READS_PER_TURN = 10;
const TURN_MS = 50;
/** What waits is read within a second, or is of no use any more. */
const RECEIVE_BUFFER_BYTES = 64 * 1024;
const SECRET_LENGTH = 32;
const DATAGRAM_BYTES_MAX = 2048;
const CONTROL_BYTES = LOCAL_ADDRESS_SPACE + cmsgSpace(4) + 64;
const ARENA_BYTES = 4096;

export class MappingResponder implements AsyncDisposable {
  readonly #libc: Libc;
  readonly #socket: ServerSocket;
  readonly #port: number;
  readonly #poll: AsyncPoll;
  readonly #arena = new Arena(ARENA_BYTES);
  readonly #data = this.#arena.reserve(DATAGRAM_BYTES_MAX);
  readonly #message = new MessageBuffer(this.#arena, CONTROL_BYTES);
  readonly #peer = new PeerAddress();
  readonly #secret = crypto.getRandomValues(new Uint8Array(SECRET_LENGTH));
  readonly #running: Promise<void>;
  readonly #stop = Promise.withResolvers<void>();
  #isStopped = false;

  private constructor(libc: Libc, socket: ServerSocket, port: number, poll: AsyncPoll) {
    this.#libc = libc;
    this.#socket = socket;
    this.#port = port;
    this.#poll = poll;
    this.#running = this.#run();
    this.#running.catch(() => {}); // told when it is closed
  }

  /** @throws SyscallError, EADDRINUSE among them */
  static open(libc: Libc, port: number): MappingResponder {
    const socket = openServerSocket(libc, port);
    try {
      libc.trySetOption(socket.fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
      libc.trySetOption(socket.fd, SOL_UDP, UDP_GRO, 0);
      return new MappingResponder(libc, socket, port, new AsyncPoll(libc, socket.fd));
    } catch (error) {
      libc.closeFile(socket.fd);
      throw error;
    }
  }

  /** For a client that has proved who it is. */
  newTicket(): MappingTicket {
    const ticket = newMappingTicket(Date.now() + TICKET_MS, (into) => crypto.getRandomValues(into));
    return { port: this.#port, ticket, key: mappingKey(this.#secret, ticket) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#stop.resolve();
    this.#poll.wake();
    await this.#running.catch(() => {}); // it has stopped, which is all that is wanted
    this.#poll.close();
    this.#libc.closeFile(this.#socket.fd);
    this.#secret.fill(0);
  }

  async #run(): Promise<void> {
    while (!this.#isStopped && await this.#poll.wait() === "readable") {
      this.#answerTurn();
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, TURN_MS);
    await Promise.race([over.promise, this.#stop.promise]);
    clearTimeout(timer);
  }

  #answerTurn(): void {
    const { view, bytes } = this.#arena;
    for (let reads = 0; reads < READS_PER_TURN; reads++) {
      this.#message.setData(this.#data, DATAGRAM_BYTES_MAX);
      this.#message.setNameLength(SOCKADDR_CAPACITY);
      this.#message.setControlLength(CONTROL_BYTES);
      const { fd } = this.#socket;
      const length = this.#libc.recvmsg(fd, this.#message.address, MSG_DONTWAIT);
      if (length < 0) return;
      readPeer(this.#message, view, this.#peer);
      const query = bytes.subarray(this.#data, this.#data + length);
      const answer = answerMappingQuery(query, this.#peer, this.#secret, Date.now());
      if (answer !== null) this.#send(answer);
    }
  }

  /** From the local address that was asked. What the kernel has no room for is asked for again. */
  #send(answer: Uint8Array): void {
    const { view, bytes } = this.#arena;
    bytes.set(answer, this.#data);
    const message = this.#message;
    message.setData(this.#data, answer.length);
    const { control } = message;
    const end = writePeer(message, view, this.#peer, control, this.#socket.isV6);
    message.setControlLength(end - control);
    this.#libc.sendmsg(this.#socket.fd, message.address, MSG_DONTWAIT);
  }
}
