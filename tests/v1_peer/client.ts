/** The v1 client: one socket for each link, packets on the links in turn. */
import { gzipSync } from "node:zlib";
import type { Grant } from "./control.ts";
import {
  DATAGRAM_BYTES_MAX,
  Endpoint,
  type EndpointOptions,
  fillRandom,
  wait,
} from "./endpoint.ts";
import { V1Session } from "./v1_session.ts";

interface ClientOptions extends Omit<EndpointOptions, "addresses" | "answersFor"> {
  grant: Grant;
  server: string;
  /** Source addresses, one for each link. */
  links: readonly string[];
  gzip: boolean;
  heartbeatMs: number;
}

/** Sizes a gzip payload may not have, one of them by far; and what is no gzip at all. */
const BOMBS = [1501, 60_000, 10_000_000].map((length) => gzipSync(new Uint8Array(length)));
const NO_GZIP = [new Uint8Array(0), new Uint8Array(40).fill(31)];

const CONTROL_KEPT = 16;

export class V1Client extends Endpoint {
  readonly session: V1Session;
  /** Datagrams that came to a socket from which only bad ones were sent. */
  strayReceived = 0;
  readonly #sockets: Deno.DatagramConn[];
  readonly #stray: Deno.DatagramConn;
  readonly #server: Deno.NetAddr;
  readonly #sentControl: Uint8Array[] = [];
  /** Links in use. */
  #used: number[];
  /** Links that have brought something. */
  readonly #heard = new Set<number>();
  #next = 0;

  private constructor(options: ClientOptions, sockets: Deno.DatagramConn[]) {
    const { grant, gzip, server } = options;
    super({ ...options, addresses: [grant.ipv4, grant.ipv6], answersFor: "own" });
    this.session = new V1Session({
      ...{ role: "client", id: grant.id, key: grant.key, gzip, random: fillRandom },
    });
    this.#server = { transport: "udp", hostname: server, port: grant.udpPort };
    this.#stray = sockets[0]!;
    this.#sockets = sockets.slice(1);
    this.#used = [...this.#sockets.keys()];
  }

  /** Opens its sockets, and greets the server on each link. */
  static start(options: ClientOptions): V1Client {
    const { links, heartbeatMs } = options;
    const sockets = [links[0]!, ...links].map((hostname) =>
      Deno.listenDatagram({ transport: "udp", hostname, port: 0 })
    );
    const client = new V1Client(options, sockets);
    client.#receiveStray();
    for (const link of links.keys()) {
      client.#receive(link);
      client.#sendControl(link, client.session.handshake());
      client.#beat(link);
    }
    setInterval(() => links.forEach((_, link) => client.#beat(link)), heartbeatMs);
    return client;
  }

  /** Resolves when the server has answered on each link. */
  async ready(): Promise<void> {
    while (this.#heard.size < this.#sockets.length) await wait(5);
  }

  /** "address:port" of each link's socket. */
  get sources(): string[] {
    return this.#sockets.map(({ addr }) => {
      const { hostname, port } = addr as Deno.NetAddr;
      return `${hostname}:${port}`;
    });
  }

  /** Sends packets on these links only. */
  use(links: readonly number[]): void {
    this.#used = [...links];
  }

  send(datagram: Uint8Array): void {
    this.#sendOn(this.#used[this.#next++ % this.#used.length]!, datagram);
  }

  /** Sends copies of what was sent before: packets as they were, everything from elsewhere. */
  replay(): number {
    const packets = [...this.sent];
    const copies = [...packets, ...this.#sentControl];
    for (const packet of packets) this.send(packet);
    for (const copy of copies) this.#sendStray(copy);
    return copies.length;
  }

  /** Sends copies with one bit wrong, cut short, or too long. */
  corrupt(): number {
    const datagram = this.sent.at(-1)!;
    const bad = [...datagram.keys()].map((at) => {
      const copy = datagram.slice();
      copy[at]! ^= 1 << at % 8;
      return copy;
    });
    bad.push(datagram.slice(0, 21), datagram.slice(0, 49), datagram.slice(0, -1), new Uint8Array());
    bad.push(Uint8Array.from([...datagram, 0]));
    for (const copy of bad) {
      this.send(copy);
      this.#sendStray(copy);
    }
    return bad.length;
  }

  /** Sends compressed packets that inflate to too much, or not at all. */
  bomb(): number {
    const bombs = [...BOMBS, ...NO_GZIP].filter(({ length }) => length < 60_000);
    for (const bomb of bombs) this.send(this.session.rawPacket(bomb, true));
    return bombs.length;
  }

  #beat(link: number): void {
    // As the first clients: the wall clock, which no double holds exactly.
    const clockNs = BigInt(Date.now()) * 1_000_000n + 123_457n;
    this.#sendControl(link, this.session.heartbeat(clockNs));
  }

  #sendControl(link: number, datagram: Uint8Array): void {
    if (this.#sentControl.length < CONTROL_KEPT) this.#sentControl.push(datagram);
    this.#sendOn(link, datagram);
  }

  #sendOn(link: number, datagram: Uint8Array): void {
    // A link that is down takes nothing: then it is lost, as anything on a network may be.
    this.#sockets[link]!.send(datagram, this.#server).catch(() => {});
  }

  #sendStray(datagram: Uint8Array): void {
    this.#stray.send(datagram, this.#server).catch(() => {});
  }

  async #receive(link: number): Promise<void> {
    const buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
    for (;;) {
      const [datagram] = await this.#sockets[link]!.receive(buffer);
      this.#heard.add(link);
      this.session.receive(datagram, performance.now());
      this.deliver(performance.now());
    }
  }

  async #receiveStray(): Promise<void> {
    for (;;) {
      await this.#stray.receive(new Uint8Array(DATAGRAM_BYTES_MAX));
      this.strayReceived++;
    }
  }
}
