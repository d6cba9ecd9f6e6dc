/**
 * Watches what one side of a session sends, and counts what section 2 of docs/protocol.md does not
 * allow it: sequence numbers, nonces, types, payloads.
 */
import { type Flaw, type Opened, TYPE_HANDSHAKE, TYPE_HEARTBEAT, TYPE_PACKET } from "./record.ts";

const SAMPLES_MAX = 20;
/** A test sends less; beyond it nonces are compared with the first ones only. */
const NONCES_MAX = 200_000;

/** Violations by name, and the first few in words. */
export class Violations {
  readonly samples: string[] = [];
  total = 0;

  add(what: string): void {
    this.total++;
    if (this.samples.length < SAMPLES_MAX) this.samples.push(what);
  }
}

export class Inspector {
  readonly #violations: Violations;
  readonly #nonces = new Set<string>();
  readonly #sequences = new Set<number>();
  /** A server's count begins with the clock, so that it goes on over its own restarts. */
  #lowest = Infinity;
  #highest = 0;

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  /** Packets whose sequence was passed and which have not come: lost, or still under way. */
  get missing(): number {
    if (this.#sequences.size === 0) return 0;
    return this.#highest - this.#lowest + 1 - this.#sequences.size;
  }

  refuse(flaw: Flaw): void {
    this.#violations.add(`datagram with a wrong ${flaw}`);
  }

  inspect(record: Opened): void {
    const { nonce, type, payload, sequence } = record;
    if (this.#nonces.has(nonce)) this.#violations.add(`nonce ${nonce} came twice`);
    else if (this.#nonces.size < NONCES_MAX) this.#nonces.add(nonce);
    if (type === TYPE_PACKET) return this.#inspectSequence(sequence);
    if (sequence !== 0) this.#violations.add(`type ${type} with sequence ${sequence}`);
    if (record.isGzip) this.#violations.add(`type ${type} compressed`);
    const length = type === TYPE_HEARTBEAT ? 8 : 0;
    if (payload.length !== length) {
      this.#violations.add(
        `${type === TYPE_HANDSHAKE ? "handshake" : "heartbeat"} of ${payload.length} bytes`,
      );
    }
  }

  /** Something is wrong with what a record carried. */
  complain(what: string): void {
    this.#violations.add(what);
  }

  #inspectSequence(sequence: number): void {
    if (sequence === 0) this.#violations.add("packet with sequence 0");
    else if (this.#sequences.has(sequence)) {
      this.#violations.add(`sequence ${sequence} came twice`);
    }
    this.#sequences.add(sequence);
    this.#lowest = Math.min(this.#lowest, sequence);
    this.#highest = Math.max(this.#highest, sequence);
  }
}
