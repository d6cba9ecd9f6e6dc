/** Serves metrics over HTTP: GET /metrics, and nothing else. Connections and their time are limited. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIP, type Socket } from "node:net";
import { formatListenAddress, type ListenAddress } from "../../cli/listen_address.ts";
import { messageOf } from "../../ffi/error_text.ts";
import { MetricsPage } from "./metrics_page.ts";

interface MetricsLimits {
  /** Connections at a time; further ones are closed. */
  readonly connectionsMax: number;
  /** How long a connection lasts, whatever it does: one scrape. */
  readonly connectionMs: number;
}

const LIMITS: MetricsLimits = { connectionsMax: 16, connectionMs: 10_000 };

export class MetricsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #fill: (page: MetricsPage) => Promise<void>;
  readonly #limits: MetricsLimits;
  readonly #connections = new Set<Socket>();
  #scrape: Promise<{ type: string; text: string }> | null = null;

  private constructor(
    fill: (page: MetricsPage) => Promise<void>,
    limits: MetricsLimits,
  ) {
    this.#fill = fill;
    this.#limits = limits;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on("connection", (connection) => this.#take(connection));
    this.#server.on("clientError", (_error, connection) => connection.destroy());
  }

  /** `fill` writes what is known onto a page. @throws Error that says what to do. */
  static async open(
    address: ListenAddress,
    fill: (page: MetricsPage) => Promise<void>,
    limits: Partial<MetricsLimits> = {},
  ): Promise<MetricsServer> {
    const own = new MetricsServer(fill, { ...LIMITS, ...limits });
    const listening = Promise.withResolvers<void>();
    own.#server.once("error", (error) => listening.reject(error));
    own.#server.listen(address.port, address.host, () => listening.resolve());
    try {
      await listening.promise;
    } catch (error) {
      throw new Error(
        `Cannot serve metrics on ${formatListenAddress(address)}: ${messageOf(error)}; give an ` +
          "address of this machine and a free port with -metrics-listen",
        { cause: error },
      );
    }
    own.#server.on("error", () => {}); // no descriptors left: a later scrape is answered
    return own;
  }

  /** The one it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    for (const connection of this.#connections) connection.destroy();
    await closed.promise;
  }

  /** What is known now; whoever asks while it is read gets the same. */
  scrape(): Promise<{ type: string; text: string }> {
    return this.#scrape ??= this.#read().finally(() => this.#scrape = null);
  }

  #take(connection: Socket): void {
    if (this.#connections.size >= this.#limits.connectionsMax) return void connection.destroy();
    this.#connections.add(connection);
    const timer = setTimeout(() => connection.destroy(), this.#limits.connectionMs);
    connection.once("close", () => {
      clearTimeout(timer);
      this.#connections.delete(connection);
    });
    connection.on("error", () => connection.destroy());
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const say = (status: number, type: string, text: string) => {
      response.writeHead(status, {
        "content-type": type,
        "content-length": `${new TextEncoder().encode(text).byteLength}`,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        connection: "close",
      });
      response.end(request.method === "HEAD" ? undefined : text);
    };
    const refuse = (status: number, text: string) => say(status, "text/plain", `${text}\n`);
    if (!isHostAllowed(request.headers.host)) return refuse(403, "ask by IP address or localhost");
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "GET only");
    if (request.url?.split("?")[0] !== "/metrics") return refuse(404, "see /metrics");
    try {
      const { type, text } = await this.scrape();
      say(200, type, text);
    } catch (error) {
      refuse(503, messageOf(error));
    }
  }

  async #read(): Promise<{ type: string; text: string }> {
    const page = new MetricsPage();
    await this.#fill(page);
    return { type: page.contentType, text: page.text() };
  }
}

/**
 * A page in a browser could have its own name lead to this address, and read what is here: names of
 * others are refused.
 */
function isHostAllowed(host: string | undefined): boolean {
  if (host === undefined) return true; // HTTP/1.0, which no browser speaks
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host)?.slice(1).find(Boolean) ?? "";
  return name.toLowerCase() === "localhost" || isIP(name) !== 0;
}
