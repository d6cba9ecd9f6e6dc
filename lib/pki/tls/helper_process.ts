import { encodeFrame, FRAME, FrameReader, type HelperSettings } from "./helper_frame.ts";

/** After its last connection is over it has so long to end. */
const END_TIMEOUT_MS = 2000;

/** What a connection is told by the process. */
export interface HelperListener {
  take(kind: number, payload: Uint8Array<ArrayBuffer>): void;
  /** The process has ended. */
  lost(): void;
}

/** One TLS process, and the connections it serves. */
export class HelperProcess {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #listeners = new Map<number, HelperListener>();
  readonly #ended: Promise<void>;
  #lastId = 0;
  #isRetired = false;
  #isOver = false;

  /** @throws Error when it cannot be started. */
  constructor([program, ...args]: readonly string[], settings: HelperSettings) {
    this.#process = new Deno.Command(program!, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      env: { DENO_NO_UPDATE_CHECK: "1" },
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#ended = this.#listen();
    this.#send(0, FRAME.settings, new TextEncoder().encode(JSON.stringify(settings)));
  }

  /** How many connections it was given. */
  get served(): number {
    return this.#lastId;
  }

  /** Whether it has ended, whoever ended it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** A connection begins. Returns its id. */
  open(listener: HelperListener, serverName: string): number {
    const id = ++this.#lastId;
    this.#listeners.set(id, listener);
    this.#send(id, FRAME.open, new TextEncoder().encode(serverName));
    return id;
  }

  /** Resolves when the process has room for more. */
  async tell(id: number, kind: number, payload?: Uint8Array): Promise<void> {
    if (this.#listeners.has(id)) await this.#send(id, kind, payload);
  }

  /** The connection is over. */
  close(id: number): void {
    if (!this.#listeners.delete(id)) return;
    this.#send(id, FRAME.close);
    this.#endWhenIdle();
  }

  /** It gets no more connections, and ends with the last of them. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    this.#endWhenIdle();
    await this.#ended;
  }

  #endWhenIdle(): void {
    if (!this.#isRetired || this.#listeners.size > 0 || this.#isOver) return;
    this.#isOver = true;
    this.#input.close().catch(() => {});
    const timer = setTimeout(() => this.#kill(), END_TIMEOUT_MS);
    this.#ended.finally(() => clearTimeout(timer));
  }

  async #send(id: number, kind: number, payload?: Uint8Array): Promise<void> {
    if (this.#isOver) return;
    const frame = encodeFrame(id, kind, payload);
    try {
      await this.#input.write(frame);
    } catch {
      // It has ended, and #listen() tells the connections.
    } finally {
      frame.fill(0); // it may hold keys
    }
  }

  async #listen(): Promise<void> {
    const reader = new FrameReader();
    try {
      for await (const chunk of this.#process.stdout) {
        for (const { id, kind, payload } of reader.read(chunk)) {
          this.#listeners.get(id)?.take(kind, payload);
        }
      }
    } catch {
      this.#kill(); // it does not keep to its own language
    }
    this.#isOver = true;
    for (const listener of [...this.#listeners.values()]) listener.lost();
    this.#listeners.clear();
    await this.#input.close().catch(() => {});
    await this.#process.status;
  }

  #kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It was faster.
    }
  }
}
