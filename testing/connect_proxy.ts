/** An HTTP proxy for tests: it knows CONNECT, and misbehaves as it is told. */
import net from "node:net";
import { once } from "node:events";

export type ProxyManner =
  /** Connects, to whom it is asked. */
  | "tunnel"
  | { readonly status: string }
  /** Takes connections and says nothing. */
  | "silent"
  | "nonsense"
  /** Hangs up when it is asked. */
  | "hang up";

interface ConnectProxyOptions {
  readonly host?: string;
  readonly port?: number;
  readonly manner?: ProxyManner;
  /** Value of Proxy-Authorization that is wanted; null: none is. */
  readonly authorization?: string | null;
}

export class ConnectProxy implements AsyncDisposable {
  /** What it was asked for, without what is secret. */
  readonly asked: string[] = [];
  manner: ProxyManner;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(options: ConnectProxyOptions) {
    this.manner = options.manner ?? "tunnel";
    const { authorization = null } = options;
    this.#server = net.createServer((socket) => {
      this.#follow(socket);
      this.#serve(socket, authorization);
    });
  }

  static async start(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(options);
    proxy.#server.listen(options.port ?? 0, options.host ?? "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (proxyAddress(this.#server)).port;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }

  #follow(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #serve(socket: net.Socket, authorization: string | null): void {
    let head = "";
    const read = (chunk: Uint8Array) => {
      head += new TextDecoder("latin1").decode(chunk);
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", read);
      this.#answer(socket, head, authorization);
    };
    socket.on("data", read);
  }

  #answer(socket: net.Socket, head: string, authorization: string | null): void {
    const [, host = "", port = ""] = /^CONNECT \[?([^\s\]]+?)\]?:(\d+) HTTP/.exec(head) ?? [];
    this.asked.push(`${host}:${port}`);
    if (this.manner === "silent") return;
    if (this.manner === "hang up") return void socket.destroy();
    if (this.manner === "nonsense") return void socket.end("220 mail.example ESMTP\r\n\r\n");
    if (this.manner !== "tunnel") return refuse(socket, this.manner.status);
    const given = /^Proxy-Authorization: (.*)$/mi.exec(head)?.[1]?.trim() ?? null;
    if (authorization !== null && given !== authorization) {
      return refuse(socket, "407 Proxy Authentication Required");
    }
    const far = net.connect({ host, port: Number(port) });
    this.#follow(far);
    far.once("connect", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(far).pipe(socket);
    });
    far.once("error", () => refuse(socket, "502 Bad Gateway"));
    far.once("close", () => socket.destroy());
    socket.once("close", () => far.destroy());
  }
}

function proxyAddress(server: net.Server): net.AddressInfo {
  return server.address() as net.AddressInfo;
}

function refuse(socket: net.Socket, status: string): void {
  if (!socket.destroyed) socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
}
