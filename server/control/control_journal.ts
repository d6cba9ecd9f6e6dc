import { EventLimiter } from "./event_limiter.ts";

/** Something the operator may want to read. Holds no key, and no text of a peer nobody knows. */
export type ControlEvent =
  | {
    readonly event: "granted";
    readonly commonName: string;
    readonly serialHex: string;
    readonly remoteAddress: string;
    readonly clientVersion: string;
    /** Sessions that went to clients of this name and were not logged since the last one that was. */
    readonly suppressed: number;
  }
  | {
    readonly event: "refused";
    readonly code: string;
    readonly message: string;
    /** Null when the certificate names no client. */
    readonly commonName: string | null;
    readonly remoteAddress: string;
    /** Refusals with this code kept back since the last one logged. */
    readonly suppressed: number;
  }
  | {
    /** Connections that ended before TLS had proved who the peer is: one line for many. */
    readonly event: "handshakes failed";
    readonly count: number;
    readonly lastAddress: string;
    readonly lastReason: string;
  }
  | {
    /**
     * Connections closed by the peer before it had sent a byte, as whoever checks that the port is
     * open makes them (`fluxify-client diag`, a monitor): one line for many.
     */
    readonly event: "left silently";
    readonly count: number;
    readonly lastAddress: string;
  }
  | {
    /** A fault of the server itself. */
    readonly event: "failed";
    readonly what: "accept" | "grant";
    readonly reason: string;
    readonly suppressed: number;
  };

/** Counts since the start. */
export interface ControlStats {
  /** TCP connections accepted. */
  accepted: number;
  granted: number;
  /** Exchanges answered with an error object. */
  refused: number;
  /** Connections that ended before the TLS handshake did. */
  handshakesFailed: number;
  /** Connections closed because the time for the exchange was over. */
  timedOut: number;
  /** Connections closed to make room for newer ones. */
  evicted: number;
}

const PERIOD_MS = 10_000;
const REFUSALS_PER_PERIOD = 10;
/** A client whose links come and go asks a few times in that time. */
const GRANTS_PER_PERIOD = 5;

/** Counts what happens and passes a bounded number of lines to the log. */
export class ControlJournal {
  readonly stats: ControlStats = {
    accepted: 0,
    granted: 0,
    refused: 0,
    handshakesFailed: 0,
    timedOut: 0,
    evicted: 0,
  };
  readonly #log: (event: ControlEvent) => void;
  readonly #strangers = new EventLimiter(1, PERIOD_MS);
  readonly #silent = new EventLimiter(1, PERIOD_MS);
  readonly #refusals = new EventLimiter(REFUSALS_PER_PERIOD, PERIOD_MS);
  readonly #faults = new EventLimiter(1, PERIOD_MS);
  /** By the client's name. */
  readonly #grants = new EventLimiter(GRANTS_PER_PERIOD, PERIOD_MS);

  constructor(log: (event: ControlEvent) => void) {
    this.#log = log;
  }

  granted(
    peer: { commonName: string; serialHex: string; remoteAddress: string; clientVersion: string },
    nowMs: number,
  ): void {
    this.stats.granted++;
    const { commonName, serialHex, remoteAddress, clientVersion } = peer;
    const suppressed = this.#grants.admit(commonName, nowMs);
    if (suppressed === null) return;
    const who = { commonName, serialHex, remoteAddress, clientVersion };
    this.#log({ event: "granted", ...who, suppressed });
  }

  refused(
    error: { readonly code: string; readonly message: string },
    commonName: string | null,
    remoteAddress: string,
    nowMs: number,
  ): void {
    this.stats.refused++;
    const { code, message } = error;
    const suppressed = this.#refusals.admit(code, nowMs);
    if (suppressed === null) return;
    this.#log({ event: "refused", code, message, commonName, remoteAddress, suppressed });
  }

  handshakeFailed(lastAddress: string, lastReason: string, nowMs: number): void {
    this.stats.handshakesFailed++;
    const suppressed = this.#strangers.admit("handshakes failed", nowMs);
    if (suppressed === null) return;
    this.#log({ event: "handshakes failed", count: suppressed + 1, lastAddress, lastReason });
  }

  leftSilently(lastAddress: string, nowMs: number): void {
    this.stats.handshakesFailed++;
    const suppressed = this.#silent.admit("left silently", nowMs);
    if (suppressed === null) return;
    this.#log({ event: "left silently", count: suppressed + 1, lastAddress });
  }

  failed(what: "accept" | "grant", reason: string, nowMs: number): void {
    const suppressed = this.#faults.admit(what, nowMs);
    if (suppressed !== null) this.#log({ event: "failed", what, reason, suppressed });
  }
}
