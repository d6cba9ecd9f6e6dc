/**
 * The local socket of a running program: JSON lines over a unix socket, for its own commands, for
 * scripts and for the page. docs/control-socket.md describes what is said.
 *
 *     server: {"fluxify": 1, "program": "fluxify-client", "version": "0.1.0"}
 *     client: {"id": 1, "method": "status", "params": {}}
 *     server: {"id": 1, "result": {...}}  or  {"id": 1, "error": {"code": "...", "message": "..."}}
 *
 * A method may stream: then `{"id": 1, "event": ...}` comes again and again until one side closes.
 * Who may connect is a matter of the socket's mode and group: whoever may, is trusted with what root
 * may ask of the program, so both default to root alone.
 */
import { dirname } from "node:path";
import { LineReader, LineTooLongError } from "./line_reader.ts";

export const PROTOCOL_VERSION = 1;
/** Bytes of one line, either way. */
export const LINE_BYTES_MAX = 1 << 20;
const CONNECTIONS_MAX = 32;
/** A connection on which nothing is asked and nothing streams. */
const IDLE_MS = 300_000;
/** A peer that does not read is cut off. */
const WRITE_TIMEOUT_MS = 5_000;
const DIRECTORY_MODE = 0o755;
const SOCKET_MODE = 0o600;
const GROUP_MODE = 0o660;

/** A refusal that the peer is told: `code` for programs, the message for people. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

/** What a method answers: a value, or values one after the other until `signal` aborts. */
type Answer = unknown | AsyncIterable<unknown>;
/** Carries out a method. Throws RequestError for what it refuses. */
type Handler = (
  params: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
) => Answer | Promise<Answer>;
type Methods = Readonly<Record<string, Handler>>;

interface LocalSocketOptions {
  readonly path: string;
  readonly program: string;
  readonly version: string;
  readonly methods: Methods;
  /** Its members may connect, too. Group id, as in /etc/group. */
  readonly groupId?: number;
  /** Told of an error in a handler that is no RequestError; the peer hears "internal error". */
  readonly onFault: (method: string, error: unknown) => void;
}

/** The path is in use by a program that answers. */
export class SocketInUseError extends Error {
  override readonly name = "SocketInUseError";
  constructor(path: string) {
    super(
      `Cannot listen on ${path}: another instance listens there; stop it, or start this one with ` +
        "-name and another name",
    );
  }
}

export class LocalSocket implements AsyncDisposable {
  readonly #options: LocalSocketOptions;
  readonly #listener: Deno.UnixListener;
  readonly #stop = new AbortController();
  readonly #connections = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  private constructor(options: LocalSocketOptions, listener: Deno.UnixListener) {
    this.#options = options;
    this.#listener = listener;
    this.#accepting = this.#accept();
  }

  /**
   * Listens; a socket that a killed program left is replaced.
   * @throws SocketInUseError, Deno.errors of the file system.
   */
  static async listen(options: LocalSocketOptions): Promise<LocalSocket> {
    const { path, groupId } = options;
    await Deno.mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    if (await answers(path)) throw new SocketInUseError(path);
    try {
      await Deno.remove(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    // There is no moment in which the socket has a wider mode than it ends with.
    const before = Deno.umask(0o177);
    let listener: Deno.UnixListener;
    try {
      listener = Deno.listen({ transport: "unix", path });
    } finally {
      Deno.umask(before);
    }
    try {
      if (groupId !== undefined) {
        await Deno.chown(path, null, groupId);
        await Deno.chmod(path, GROUP_MODE);
      } else await Deno.chmod(path, SOCKET_MODE);
    } catch (error) {
      listener.close();
      throw error;
    }
    return new LocalSocket(options, listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#listener.close();
    await this.#accepting;
    await Promise.allSettled(this.#connections);
    await Deno.remove(this.#options.path).catch(() => {});
  }

  async #accept(): Promise<void> {
    for (;;) {
      let connection: Deno.UnixConn;
      try {
        connection = await this.#listener.accept();
      } catch {
        if (this.#stop.signal.aborted) return;
        // Out of descriptors, say: the others go on, and so does this in a moment.
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      if (this.#connections.size >= CONNECTIONS_MAX) {
        connection.close();
        continue;
      }
      const served = new Conversation(connection, this.#options, this.#stop.signal).run();
      this.#connections.add(served);
      served.finally(() => this.#connections.delete(served));
    }
  }
}

/** One connection: requests are answered one after the other. */
class Conversation {
  readonly #connection: Deno.UnixConn;
  readonly #options: LocalSocketOptions;
  readonly #end = new AbortController();

  constructor(connection: Deno.UnixConn, options: LocalSocketOptions, stop: AbortSignal) {
    this.#connection = connection;
    this.#options = options;
    stop.addEventListener("abort", () => this.#close(), {
      once: true,
      signal: this.#end.signal,
    });
  }

  async run(): Promise<void> {
    const { program, version } = this.#options;
    const lines = new LineReader(this.#connection, LINE_BYTES_MAX);
    try {
      await this.#send({ fluxify: PROTOCOL_VERSION, program, version });
      for (;;) {
        const line = await this.#within(lines.next(), IDLE_MS);
        if (line === null) return;
        if (line !== "") await this.#answer(line, lines);
      }
    } catch (error) {
      if (!(error instanceof LineTooLongError) || this.#end.signal.aborted) return;
      await this.#send(failure(null, "bad-request", error.message)).catch(() => {});
    } finally {
      this.#close();
    }
  }

  async #answer(line: string, lines: LineReader): Promise<void> {
    const request = parseRequest(line);
    if (request === null) {
      return await this.#send(failure(
        null,
        "bad-request",
        'A request is one line of JSON: {"id": 1, "method": "status", "params": {}}',
      ));
    }
    const { id, method, params } = request;
    const { methods, onFault } = this.#options;
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (handler === undefined) {
      const known = Object.keys(methods).sort().join(", ");
      return await this.#send(
        failure(id, "unknown-method", `There is no method "${method}"; there are ${known}`),
      );
    }
    try {
      const answer = await handler(params, this.#end.signal);
      if (!isStream(answer)) return await this.#send({ id, result: answer ?? null });
      // While it streams, only the end of the connection is waited for.
      lines.next().then(() => this.#close(), () => this.#close());
      for await (const event of answer) {
        if (this.#end.signal.aborted) return;
        await this.#send({ id, event });
      }
      this.#close();
    } catch (error) {
      if (this.#end.signal.aborted) return;
      if (error instanceof RequestError) {
        return await this.#send(failure(id, error.code, error.message));
      }
      onFault(method, error);
      await this.#send(failure(id, "internal-error", "It failed; the log says why"));
    }
  }

  async #send(message: unknown): Promise<void> {
    let rest = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    while (rest.byteLength > 0) {
      const written = await this.#within(this.#connection.write(rest), WRITE_TIMEOUT_MS);
      rest = rest.subarray(written);
    }
  }

  async #within<T>(work: Promise<T>, limitMs: number): Promise<T> {
    const timer = setTimeout(() => this.#close(), limitMs);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  #close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    try {
      this.#connection.close();
    } catch {
      // The peer was faster.
    }
  }
}

interface Request {
  readonly id: number | string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

function parseRequest(line: string): Request | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  const { id, method, params = {} } = value;
  if (typeof id !== "number" && typeof id !== "string") return null;
  if (typeof method !== "string" || !isObject(params)) return null;
  return { id, method, params };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStream(answer: Answer): answer is AsyncIterable<unknown> {
  return typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;
}

function failure(id: number | string | null, code: string, message: string) {
  return { id, error: { code, message } };
}

/** Whether somebody listens. */
async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
