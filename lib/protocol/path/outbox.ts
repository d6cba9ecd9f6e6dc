/** Control records and events of a session that wait for its driver. */
import { TYPE_HEARTBEAT } from "../wire/header.ts";
import type { PathState } from "./liveness.ts";
import type { SessionPath } from "./session_path.ts";

/** Control records waiting to be sent; a peer that asks for more answers than this gets fewer. */
const TRANSMITS_MAX = 64;
const EVENTS_MAX = 256;

/** A record that is not a packet: heartbeat, handshake or control message. */
export interface Transmit {
  readonly type: number;
  readonly path: SessionPath;
  readonly payload: Uint8Array<ArrayBuffer>;
}

export type SessionEvent =
  | { readonly name: "path changed"; readonly path: SessionPath; readonly state: PathState }
  /** The largest packet that the path carries was found, or has changed. */
  | {
    readonly name: "path MTU";
    readonly path: SessionPath;
    readonly mtu: number;
    readonly wasBlackhole: boolean;
  }
  | { readonly name: "bye" }
  | { readonly name: "asked to leave" };

export class Outbox {
  readonly #transmits: Transmit[] = [];
  readonly #events: SessionEvent[] = [];
  #dropped = 0;

  transmit(transmit: Transmit): void {
    if (this.#transmits.length < TRANSMITS_MAX) this.#transmits.push(transmit);
    else this.#dropped++;
  }

  /**
   * As `transmit`, but in front of the last heartbeat that waits for the same path, which is shorter:
   * records that do not become longer leave in one send (UDP_SEGMENT).
   */
  transmitBeforeHeartbeat(transmit: Transmit): void {
    const index = this.#transmits.findLastIndex(({ path }) => path === transmit.path);
    const last = this.#transmits[index];
    const isShorter = last !== undefined && last.payload.length < transmit.payload.length;
    if (!isShorter || last.type !== TYPE_HEARTBEAT || this.#transmits.length >= TRANSMITS_MAX) {
      return this.transmit(transmit);
    }
    this.#transmits.splice(index, 0, transmit);
  }

  /** How many records had no room since this was asked last. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Drops what was to leave on a path that is gone. */
  forgetPath(id: number): void {
    for (let index = this.#transmits.length - 1; index >= 0; index--) {
      if (this.#transmits[index]!.path.id === id) this.#transmits.splice(index, 1);
    }
  }

  emit(event: SessionEvent): void {
    if (this.#events.length < EVENTS_MAX) this.#events.push(event);
  }

  nextTransmit(): Transmit | null {
    return this.#transmits.shift() ?? null;
  }

  nextEvent(): SessionEvent | null {
    return this.#events.shift() ?? null;
  }
}
