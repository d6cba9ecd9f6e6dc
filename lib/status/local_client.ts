/** Asks a running program over its local socket (local_socket.ts). */
import { LineReader } from "./line_reader.ts";
import { LINE_BYTES_MAX, PROTOCOL_VERSION, RequestError } from "./local_socket.ts";

/** Nothing runs, as far as the socket tells. */
export class NotRunningError extends Error {
  override readonly name = "NotRunningError";
}

/** How long one answer may take; a stream may be silent for longer. */
const ANSWER_TIMEOUT_MS = 30_000;

export class LocalClient implements Disposable {
  readonly #connection: Deno.UnixConn;
  readonly #lines: LineReader;
  #lastId = 0;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
    this.#lines = new LineReader(connection, LINE_BYTES_MAX);
  }

  /**
   * Connects to the program that listens on `path`.
   * @throws NotRunningError, or an Error when it may not or speaks another protocol.
   */
  static async connect(path: string, program: string): Promise<LocalClient> {
    let connection: Deno.UnixConn;
    try {
      connection = await Deno.connect({ transport: "unix", path });
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new Error(`Cannot ask ${program}: ${path} is for root (sudo), or see -socket-group`);
      }
      throw new NotRunningError(`${program} is not running: nobody listens on ${path}`);
    }
    const client = new LocalClient(connection);
    try {
      const hello = await client.#read(ANSWER_TIMEOUT_MS);
      if (hello?.fluxify !== PROTOCOL_VERSION) {
        throw new Error(
          `Cannot ask ${program}: it speaks another version of the protocol, and was updated ` +
            "meanwhile; restart it",
        );
      }
      return client;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws RequestError for what the program refuses, Error when it ends meanwhile. */
  async call(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = await this.#ask(method, params);
    const { result } = await this.#answer(id, ANSWER_TIMEOUT_MS);
    return result;
  }

  /** What a streaming method tells, until the program ends or the caller stops. */
  async *stream(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
  ): AsyncGenerator<unknown, void> {
    const id = await this.#ask(method, params);
    for (;;) {
      const message = await this.#read(null);
      if (message === null) return;
      refuseFailure(message);
      if (message.id === id) yield message.event;
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // The program was faster.
    }
  }

  async #ask(method: string, params: Readonly<Record<string, unknown>>): Promise<number> {
    const id = ++this.#lastId;
    let rest = new TextEncoder().encode(`${JSON.stringify({ id, method, params })}\n`);
    while (rest.byteLength > 0) rest = rest.subarray(await this.#connection.write(rest));
    return id;
  }

  async #answer(id: number, limitMs: number): Promise<Record<string, unknown>> {
    const message = await this.#read(limitMs);
    if (message === null) throw new Error("The program ended before it answered");
    refuseFailure(message);
    if (message.id !== id) throw new Error("The program answered something else than was asked");
    return message;
  }

  async #read(limitMs: number | null): Promise<Record<string, unknown> | null> {
    const timer = limitMs === null ? null : setTimeout(() => this[Symbol.dispose](), limitMs);
    try {
      const line = await this.#lines.next();
      return line === null ? null : JSON.parse(line);
    } catch (error) {
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
        throw new Error("The program did not answer in time");
      }
      throw error;
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  }
}

function refuseFailure(message: Record<string, unknown>): void {
  const error = message.error as { code?: unknown; message?: unknown } | undefined;
  if (error !== undefined) throw new RequestError(String(error.code), String(error.message));
}
