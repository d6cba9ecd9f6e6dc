/**
 * Sequence numbers of packets to v1 clients. Such a client never resets its count: after a new session,
 * or a restart of the server, it drops packets with lower numbers than before as late. So the sessions
 * of a client share one counter, and the first number comes from the clock.
 */

/** The newest number of one client; the next packet gets the one after it. */
export interface SequenceCounter {
  last: number;
}

/**
 * Numbers a second of the clock. A server that is started again begins above the numbers it used if it
 * sent a client no more than this on average (1.5 Mbit/s).
 */
const SEQUENCES_PER_SECOND = 128;
/** A client that has heard nothing yet takes the upper half of all numbers for late. */
const FIRST_SEQUENCES = 2 ** 31;
/** More than a server has addresses for. */
const CLIENTS_MAX = 1024;

export class SequenceCounters {
  /** The least recently used first. */
  readonly #byClient = new Map<string, SequenceCounter>();

  /** The counter of the client `name`. @param unixMs the time of day. */
  of(name: string, unixMs: number): SequenceCounter {
    const counter = this.#byClient.get(name) ??
      { last: Math.floor(unixMs / 1000 * SEQUENCES_PER_SECOND) % FIRST_SEQUENCES };
    this.#byClient.delete(name);
    this.#byClient.set(name, counter);
    if (this.#byClient.size > CLIENTS_MAX) {
      for (const oldest of this.#byClient.keys()) {
        this.#byClient.delete(oldest);
        break;
      }
    }
    return counter;
  }
}
