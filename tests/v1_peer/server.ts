/** The v1 server: one UDP socket, paths by source address, packets on the live paths in turn. */
import { type Asked, type Credentials, type Grant, serveSessions } from "./control.ts";
import { DATAGRAM_BYTES_MAX, Endpoint, type EndpointOptions, fillRandom } from "./endpoint.ts";
import { sessionOf } from "./record.ts";
import { V1Session } from "./v1_session.ts";

interface ServerOptions extends Omit<EndpointOptions, "addresses" | "answersFor"> {
  credentials: Credentials;
  controlPort: number;
  udpPort: number;
  gzip: boolean;
  /** As the first servers did: what was a path once is used for ever, whatever becomes of it. */
  keepsPaths: boolean;
}

/** A path that is so much more silent than another is not used. */
const SILENT_MS = 600;

interface Path {
  address: Deno.NetAddr;
  heardAt: number;
  heartbeats: number;
}

export class V1Server extends Endpoint {
  /** What the clients asked for. */
  readonly asked: Asked[] = [];
  /** Datagrams of sessions this server never granted: of one that ran before it, for instance. */
  unknownSession = 0;
  readonly #socket: Deno.DatagramConn;
  readonly #sessions = new Map<number, V1Session>();
  readonly #options: ServerOptions;
  #paths = new Map<string, Path>();
  /** Packets go to the newest session that was heard. */
  #current: V1Session | null = null;
  #next = 0;
  /** Whose packets stay in the reorder buffer for good. */
  #jammed: V1Session | null = null;

  private constructor(options: ServerOptions, socket: Deno.DatagramConn) {
    super({ ...options, addresses: ["10.8.0.1", "fd00:8::1"], answersFor: "any" });
    this.#options = options;
    this.#socket = socket;
  }

  static async start(options: ServerOptions): Promise<V1Server> {
    const { controlPort, credentials, udpPort } = options;
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: udpPort });
    const server = new V1Server(options, socket);
    server.#receive();
    await serveSessions(controlPort, credentials, udpPort, (grant, asked) => {
      server.#grant(grant, asked);
    });
    return server;
  }

  get session(): V1Session | null {
    return this.#current;
  }

  /** Heartbeats by source address. */
  get heartbeats(): Record<string, number> {
    return Object.fromEntries([...this.#paths.values()].map((path) => {
      return [path.address.hostname, path.heartbeats];
    }));
  }

  send(datagram: Uint8Array): void {
    const newest = Math.max(...[...this.#paths.values()].map(({ heardAt }) => heardAt));
    const live = [...this.#paths.values()].filter(({ heardAt }) =>
      this.#options.keepsPaths || newest - heardAt < SILENT_MS
    );
    const path = live[this.#next++ % live.length];
    if (path !== undefined) this.#sendTo(path.address, datagram);
  }

  #grant(grant: Grant, asked: Asked): void {
    this.asked.push(asked);
    const { gzip } = this.#options;
    const { id, key } = grant;
    this.#sessions.set(id, new V1Session({ role: "server", id, key, gzip, random: fillRandom }));
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
    for (;;) {
      const [datagram, from] = await this.#socket.receive(buffer);
      this.#take(datagram, from as Deno.NetAddr, performance.now());
    }
  }

  #take(datagram: Uint8Array, from: Deno.NetAddr, now: number): void {
    const session = this.#sessions.get(sessionOf(datagram) ?? 0);
    if (session === undefined) {
      this.unknownSession++;
      return;
    }
    const received = session.receive(datagram, now);
    if (received === null) return;
    const granted = [...this.#sessions.values()];
    const isNewer = granted.indexOf(session) >
      (this.#current === null ? -1 : granted.indexOf(this.#current));
    if (isNewer) {
      this.#current = session;
      this.#paths = new Map();
    }
    if (session !== this.#current) {
      if (received.echo !== null) this.#sendTo(from, received.echo);
      return;
    }
    const key = `${from.hostname} ${from.port}`;
    const path = this.#paths.get(key) ?? { address: from, heardAt: now, heartbeats: 0 };
    if (received.type !== "packet") this.#paths.set(key, path);
    path.heardAt = now;
    if (received.type === "heartbeat") path.heartbeats++;
    if (received.echo !== null) this.#sendTo(path.address, received.echo);
    if (session !== this.#jammed) this.deliver(now);
  }

  override deliver(now: number): void {
    if (this.#current !== this.#jammed) super.deliver(now);
  }

  /** The session in use delivers nothing any more; heartbeats go on. */
  jam(): void {
    this.#jammed = this.#current;
  }

  #sendTo(address: Deno.NetAddr, datagram: Uint8Array): void {
    this.#socket.send(datagram, address).catch(() => {});
  }
}
