/** The thread of the relay: waits for connections and sockets, and moves what is ready. */
import type { Libc } from "../../ffi/libc/libc.ts";
import { Epoll, EPOLLIN } from "../../ffi/linux/epoll.ts";
import { TlsStream } from "../../ffi/libssl/tls_stream.ts";
import type { RelayCommand, RelayNotice } from "./message.ts";
import { RelayMemory } from "./relay_memory.ts";
import { couldNotBegin, RelayStream } from "./relay_stream.ts";

/** How often streams are looked at in which nothing happens. */
const LOOK_EVERY_MS = 500;
const WAKE_KEY = 0;

export class RelayLoop {
  readonly #libc: Libc;
  readonly #wakeFd: number;
  readonly #epoll: Epoll;
  readonly #memory: RelayMemory;
  readonly #tell: (notice: RelayNotice) => void;
  readonly #streams = new Map<number, RelayStream>();
  #isStopping = false;

  /** @param wakeFd readable when there are commands. */
  constructor(libc: Libc, wakeFd: number, tell: (notice: RelayNotice) => void) {
    this.#libc = libc;
    this.#wakeFd = wakeFd;
    this.#epoll = new Epoll(libc);
    this.#memory = new RelayMemory(libc, this.#epoll);
    this.#tell = (notice) => {
      if (notice.kind === "ended") this.#streams.delete(notice.id);
      tell(notice);
    };
    this.#epoll.add(wakeFd, WAKE_KEY, EPOLLIN);
  }

  /**
   * Runs until it is told to stop. Whatever ends it, no descriptor of its own stays open.
   * @param takeCommands handles those that wait.
   */
  run(takeCommands: (loop: RelayLoop) => void): void {
    try {
      this.#run(takeCommands);
    } finally {
      this.#closeAll();
    }
  }

  #run(takeCommands: (loop: RelayLoop) => void): void {
    let lookAt = performance.now() + LOOK_EVERY_MS;
    while (!this.#isStopping) {
      const waitMs = Math.max(0, Math.ceil(lookAt - performance.now()));
      const count = this.#epoll.wait(waitMs);
      const now = performance.now();
      for (let place = 0; place < count; place++) {
        const key = this.#epoll.keyAt(place);
        if (key === WAKE_KEY) {
          this.#libc.clearEventfd(this.#wakeFd);
          takeCommands(this);
        } else this.#ready(key, this.#epoll.eventsAt(place), now);
      }
      if (now < lookAt) continue;
      lookAt = now + LOOK_EVERY_MS;
      for (const id of [...this.#streams.keys()]) this.#of(id, (stream) => stream.look(now));
    }
    for (const id of [...this.#streams.keys()]) {
      this.#of(id, (stream) => {
        stream.lastWords(performance.now());
        stream.end({ kind: "closed" });
      });
    }
  }

  /** Those are left that a failure of the loop itself has left: one that cannot be ended holds up no other. */
  #closeAll(): void {
    for (const stream of [...this.#streams.values()]) {
      try {
        stream.end({ kind: "fault", message: "the thread of the relay has failed" });
      } catch {
        // What ended the loop is the error to tell.
      }
    }
    this.#epoll[Symbol.dispose]();
  }

  obey(command: RelayCommand): void {
    switch (command.kind) {
      case "dial":
      case "adopt":
        return this.#begin(command);
      case "trust":
        return this.#of(command.id, (stream) => stream.trust(performance.now()));
      case "close":
        return this.#of(command.id, (stream) => stream.end({ kind: "closed" }));
      case "report": {
        const streams = [...this.#streams.values()].map(({ report }) => report);
        return this.#tell({ kind: "report", request: command.request, streams });
      }
      case "stop":
        this.#isStopping = true;
        return;
      default:
        command satisfies never;
    }
  }

  /** A command that comes when the loop has ended: what belongs to the relay with it, is closed. */
  refuse(command: RelayCommand): void {
    if (command.kind !== "adopt") return;
    TlsStream.adopt(command.session)[Symbol.dispose]();
    this.#libc.closeFile(command.tcp);
  }

  #begin(command: Extract<RelayCommand, { kind: "dial" | "adopt" }>): void {
    const { id } = command;
    let stream: RelayStream;
    try {
      stream = new RelayStream(this.#memory, command, this.#tell, performance.now());
    } catch (error) {
      this.refuse(command);
      const end = couldNotBegin(error);
      return this.#tell({ kind: "ended", id, stage: "connecting", end, dropped: 0 });
    }
    this.#streams.set(id, stream);
    if (command.kind === "adopt") this.#of(id, () => stream.takeUp(performance.now()));
  }

  /** Hot. */
  #ready(key: number, events: number, now: number): void {
    const stream = this.#streams.get(key >>> 1);
    if (stream === undefined) return;
    try {
      if ((key & 1) === 0) stream.connectionReady(events, now);
      else stream.socketReady(now);
    } catch (error) {
      stream.failed(error);
    }
  }

  #of(id: number, work: (stream: RelayStream) => void): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    try {
      work(stream);
    } catch (error) {
      stream.failed(error);
    }
  }
}
