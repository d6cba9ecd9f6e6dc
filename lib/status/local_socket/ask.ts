/** The end of the local socket that asks. */
import { messageOf } from "../../ffi/error_text.ts";
import { type ProgramSockets, runningInstances, socketPath } from "./instance.ts";
import { LineBuffer } from "./line_buffer.ts";
import {
  ANSWER_BYTES_MAX,
  type Arguments,
  formatRequest,
  parseAnswer,
  Refusal,
} from "./message.ts";

/** A little more than the program gives its commands. */
const ANSWER_MS = 65_000;
const PIECE_BYTES = 64 * 1024;

/** Nothing runs under that name. The message says what does. */
export class NotRunningError extends Error {
  override name = "NotRunningError";
}

/** Requests go out one after the other. */
export class LocalConnection implements Disposable {
  readonly #connection: Deno.Conn;
  readonly #buffer = new LineBuffer(ANSWER_BYTES_MAX);
  readonly #piece = new Uint8Array(PIECE_BYTES);
  #lastId = 0;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /**
   * Connects to the instance of that name.
   * @throws NotRunningError; Error when this user may not ask.
   */
  static async open(sockets: ProgramSockets, instance: string): Promise<LocalConnection> {
    const path = socketPath(sockets, instance);
    try {
      return new LocalConnection(await Deno.connect({ transport: "unix", path }));
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) {
        throw new Error(
          `Cannot ask ${path}: this user may not; run with sudo, or see -socket-group`,
        );
      }
      const isNone = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.ConnectionRefused;
      if (!isNone) throw new Error(`Cannot ask ${path}: ${messageOf(error)}`, { cause: error });
      throw new NotRunningError(await whatRuns(sockets, instance));
    }
  }

  /**
   * @throws Refusal as the program answers; Error when it does not answer, or ends before.
   */
  async ask(command: string, args: Arguments = {}): Promise<unknown> {
    const id = ++this.#lastId;
    const request = new TextEncoder().encode(formatRequest({ id, command, arguments: args }));
    const timer = setTimeout(() => this.#connection.close(), ANSWER_MS);
    try {
      for (let sent = 0; sent < request.length;) {
        // One that has ended may have answered before, such as that it is busy.
        const taken = await this.#connection.write(request.subarray(sent)).catch(() => null);
        if (taken === null) break;
        sent += taken;
      }
      const answer = parseAnswer(await this.#line());
      if (answer === null) throw new Error("Cannot understand the answer: versions differ");
      if (!answer.ok) throw new Refusal(answer.code as Refusal["code"], answer.message);
      return answer.result;
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#connection.close();
    } catch {
      // The time for an answer was over.
    }
  }

  async #line(): Promise<Uint8Array> {
    const lines: Uint8Array[] = [];
    while (lines.length === 0) {
      const length = await this.#connection.read(this.#piece).catch(() => null);
      if (length === null) throw new Error("Cannot get an answer: the program has ended");
      const piece = this.#piece.subarray(0, length);
      if (!this.#buffer.push(piece, (line) => void lines.push(line.slice()))) {
        throw new Error("Cannot take the answer: it is too long");
      }
    }
    return lines[0]!;
  }
}

async function whatRuns(sockets: ProgramSockets, instance: string): Promise<string> {
  const names = await runningInstances(sockets);
  const program = `fluxify-${sockets.program}`;
  if (names.length === 0) return `no ${program} runs here`;
  return `no ${program} called '${instance}' runs here; running: ${names.join(", ")} ` +
    `(name one with -name)`;
}
