/**
 * The local socket of a running program: takes requests, a line of JSON each, and answers them one
 * after the other. Whoever may connect may ask everything, so the permissions of the socket are the
 * guard. Size, number and time of everything are limited.
 */
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { messageOf } from "../../ffi/error_text.ts";
import { openOwnDirectory } from "../../host/own_directory.ts";
import { type ProgramSockets, socketPath } from "./instance.ts";
import { InstanceLock } from "./instance_lock.ts";
import { LineBuffer } from "./line_buffer.ts";
import {
  type Answer,
  type Arguments,
  formatAnswer,
  parseRequest,
  Refusal,
  refusal,
  REQUEST_BYTES_MAX,
} from "./message.ts";

/** Others read who runs; only this user writes. */
const DIRECTORY_MODE = 0o755;
const OWN_MODE = 0o600;
const GROUP_MODE = 0o660;

export interface SocketLimits {
  /** Connections at a time; further ones are told so, and closed. */
  readonly connectionsMax: number;
  /** How long a connection may take for its next request, from the answer before. */
  readonly requestMs: number;
  /** How long a command may take. */
  readonly commandMs: number;
  /** How long the other side may take to read an answer. */
  readonly writeMs: number;
  /** How long a connection rests behind each answer, so that nobody keeps a processor busy. */
  readonly restMs: number;
  /** How long answers that are under way at the end are waited for. */
  readonly endMs: number;
}

const LIMITS: SocketLimits = {
  connectionsMax: 32,
  requestMs: 30_000,
  commandMs: 60_000,
  writeMs: 5_000,
  restMs: 10,
  endMs: 1_000,
};

/** Who asks, as in `user 0, process 42`; for the log. */
export type SocketCommand = (args: Arguments, asker: string) => unknown;

interface SocketOptions extends ProgramSockets {
  readonly instance: string;
  /** The group whose members may ask as well, by its id, or null: this user alone. */
  readonly groupId: number | null;
  readonly commands: Readonly<Record<string, SocketCommand>>;
  /** Who is at the other end, or null where that is not known. */
  readonly askerOf?: (connection: Socket) => { userId: number; processId: number } | null;
  readonly limits?: Partial<SocketLimits>;
}

export class LocalSocket implements AsyncDisposable {
  readonly path: string;
  readonly #options: SocketOptions;
  readonly #limits: SocketLimits;
  readonly #lock: InstanceLock;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #answering = new Set<Promise<void>>();

  private constructor(options: SocketOptions, path: string, lock: InstanceLock) {
    this.path = path;
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#lock = lock;
    this.#server = createServer({ allowHalfOpen: true }, (connection) => this.#take(connection));
  }

  /** @throws Error that says why there is none; an instance that lives keeps its own. */
  static async open(options: SocketOptions): Promise<LocalSocket> {
    const path = socketPath(options, options.instance);
    try {
      await openOwnDirectory(dirname(path), DIRECTORY_MODE);
      const lock = await InstanceLock.take(`${path}.lock`);
      if (lock === null) {
        throw new Error(
          `another fluxify-${options.program} that runs is called '${options.instance}'; ` +
            "give this one a name of its own with -name",
        );
      }
      const socket = new LocalSocket(options, path, lock);
      try {
        await socket.#listen();
      } catch (error) {
        await lock[Symbol.asyncDispose]();
        throw error;
      }
      return socket;
    } catch (error) {
      throw new Error(`Cannot listen on ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Nobody new is taken; answers under way are waited for, within a limit. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    await within(this.#limits.endMs, Promise.allSettled(this.#answering)).catch(() => {});
    for (const connection of this.#connections) connection.destroy();
    await closed.promise;
    await this.#lock[Symbol.asyncDispose]();
  }

  async #listen(): Promise<void> {
    // Left by one that is gone: a living one would hold the lock.
    await removeSocket(this.path);
    const { groupId } = this.#options;
    const listening = Promise.withResolvers<void>();
    this.#server.once("error", (error) => listening.reject(error));
    // Made with these permissions, so that there is no moment in which others may connect.
    const umask = Deno.umask(0o777 & ~OWN_MODE);
    try {
      this.#server.listen(this.path, () => listening.resolve());
    } finally {
      Deno.umask(umask);
    }
    await listening.promise;
    this.#server.on("error", () => {}); // no descriptors left: those who wait are taken later
    if (groupId === null) return;
    await Deno.chown(this.path, null, groupId);
    await Deno.chmod(this.path, GROUP_MODE);
  }

  #take(connection: Socket): void {
    // What a connection fails with ends it, and is nobody else's business.
    connection.on("error", () => connection.destroy());
    if (this.#connections.size >= this.#limits.connectionsMax) {
      const message = `${this.#limits.connectionsMax} others are connected: try again later`;
      // Fits into the empty buffer of the kernel, so nobody is waited for.
      connection.end(formatAnswer(refusal(null, "busy", message)), () => connection.destroy());
      return;
    }
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
    void this.#serve(connection);
  }

  /** Never rejects. */
  async #serve(connection: Socket): Promise<void> {
    const buffer = new LineBuffer(REQUEST_BYTES_MAX);
    const known = this.#options.askerOf?.(connection) ?? null;
    const asker = known === null ? "somebody" : `user ${known.userId}, process ${known.processId}`;
    let timer = this.#deadline(connection);
    try {
      // Nothing more is read while a request is answered.
      for await (const piece of connection) {
        const lines: Uint8Array[] = [];
        const fits = buffer.push(piece as Uint8Array, (line) => void lines.push(line.slice()));
        for (const line of lines) {
          clearTimeout(timer);
          await this.#answer(connection, line, asker);
          await rest(connection, this.#limits.restMs);
          timer = this.#deadline(connection);
        }
        if (fits) continue;
        const message = `a request has at most ${REQUEST_BYTES_MAX} bytes`;
        await this.#write(connection, refusal(null, "too long", message));
        break;
      }
    } catch {
      // It was closed by either side.
    } finally {
      clearTimeout(timer);
      connection.destroy();
    }
  }

  #deadline(connection: Socket): ReturnType<typeof setTimeout> {
    return setTimeout(() => connection.destroy(), this.#limits.requestMs);
  }

  async #answer(connection: Socket, line: Uint8Array, asker: string): Promise<void> {
    const answering = this.#resultOf(line, asker)
      .then((answer) => this.#write(connection, answer));
    this.#answering.add(answering);
    try {
      await answering;
    } finally {
      this.#answering.delete(answering);
    }
  }

  /** Never rejects. */
  async #resultOf(line: Uint8Array, asker: string): Promise<Answer> {
    const request = parseRequest(line);
    if ("ok" in request) return request;
    const { id, command, arguments: args } = request;
    const { commands } = this.#options;
    if (!Object.hasOwn(commands, command)) {
      const names = Object.keys(commands).join(", ");
      return refusal(id, "unknown command", `there is no such command; there are: ${names}`);
    }
    try {
      const result = (async () => await commands[command]!(args, asker))();
      return { ok: true, id, result: await within(this.#limits.commandMs, result) ?? null };
    } catch (error) {
      const code = error instanceof Refusal ? error.code : "failed";
      return refusal(id, code, messageOf(error));
    }
  }

  /** @throws Error when the other side does not read in time, or is gone. */
  async #write(connection: Socket, answer: Answer): Promise<void> {
    const written = Promise.withResolvers<void>();
    connection.write(formatAnswer(answer), (error) => {
      if (error) written.reject(error);
      else written.resolve();
    });
    const closed = () => written.reject(new Error("closed"));
    connection.once("close", closed);
    try {
      await within(this.#limits.writeMs, written.promise);
    } finally {
      connection.off("close", closed);
    }
  }
}

/** Not longer than the connection lasts. */
async function rest(connection: Socket, ms: number): Promise<void> {
  if (connection.destroyed) return;
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const timer = setTimeout(end, ms);
  connection.once("close", end);
  await over.promise;
  clearTimeout(timer);
  connection.off("close", end);
}

/** @throws Error after `ms`; what is late goes on, and is not looked at. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`it took longer than ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
    promise.catch(() => {});
  }
}

/** @throws Error when something else lies there. */
async function removeSocket(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (info === null) return;
  if (!info.isSocket) throw new Error("something that is no socket lies there: remove it");
  await Deno.remove(path);
}
