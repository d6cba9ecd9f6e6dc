/**
 * Tells which certificates are used by two machines at once. There is one session for a certificate,
 * so the machines take it from each other, every few seconds, and neither can know why.
 *
 * A client that moves to another network takes its session along, too: what tells two machines is
 * that the session comes back at once to where it was taken from. Has no clock; times are
 * milliseconds of any steady origin.
 */
import { sourceOf } from "../control/source_address.ts";

/** A machine that lost its session asks for a new one about 11 s later. */
const RETURNS_WITHIN_MS = 60_000;
/** Without taking and taking back for so long, it is over. */
const OVER_AFTER_MS = 600_000;
const NAMES_MAX = 512;
/** A client has a few links, and some of them change their addresses. */
const ADDRESSES_MAX = 16;

interface Machine {
  /** By source, as a machine has many IPv6 addresses in one network: the one seen last. */
  readonly addresses: Map<string, string>;
  /** Whether it has spoken on its session. */
  isHeard: boolean;
}

interface Certificate {
  present: Machine;
  /** The one the session was taken from. */
  before: Machine | null;
  takenMs: number;
  sharedMs: number;
}

export interface SharedCertificate {
  readonly name: string;
  readonly address: string;
  readonly otherAddress: string;
}

export class SharedCertificates {
  /** By the client's name, the one used longest ago first. */
  readonly #certificates = new Map<string, Certificate>();

  /**
   * A session was given to `name`, which asked from `address`. Returns what is to be told: once, as
   * long as the machines go on.
   */
  given(name: string, address: string, nowMs: number): SharedCertificate | null {
    const certificate = this.#certificates.get(name);
    this.#keep(name, certificate ?? startingAt(address));
    if (certificate === undefined) return null;
    const { present, before, takenMs, sharedMs } = certificate;
    if (present.addresses.has(sourceOf(address))) {
      add(present, address);
      return null;
    }
    const returns = before !== null && before.addresses.has(sourceOf(address));
    certificate.present = returns ? before : startingAt(address).present;
    certificate.present.isHeard = false;
    // One that never spoke is no machine that has lost a session.
    certificate.before = present.isHeard ? present : null;
    certificate.takenMs = nowMs;
    if (!returns || !present.isHeard || nowMs - takenMs > RETURNS_WITHIN_MS) return null;
    certificate.sharedMs = nowMs;
    if (nowMs - sharedMs < OVER_AFTER_MS) return null;
    return { name, address, otherAddress: [...present.addresses.values()].at(-1)! };
  }

  /** The client has spoken on the session given last. `peer` is `203.0.113.7:40000` or `[::1]:40000`. */
  heard(name: string, peer: string): void {
    const present = this.#certificates.get(name)?.present;
    if (present === undefined) return;
    present.isHeard = true;
    add(present, peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
  }

  /** The client has left by itself. */
  left(name: string): void {
    this.#certificates.delete(name);
  }

  #keep(name: string, certificate: Certificate): void {
    this.#certificates.delete(name);
    this.#certificates.set(name, certificate);
    if (this.#certificates.size <= NAMES_MAX) return;
    const [oldest] = this.#certificates.keys();
    this.#certificates.delete(oldest!);
  }
}

function startingAt(address: string): Certificate {
  const present = { addresses: new Map<string, string>(), isHeard: false };
  add(present, address);
  return { present, before: null, takenMs: -Infinity, sharedMs: -Infinity };
}

function add({ addresses }: Machine, address: string): void {
  const source = sourceOf(address);
  addresses.delete(source);
  addresses.set(source, address);
  if (addresses.size <= ADDRESSES_MAX) return;
  const [oldest] = addresses.keys();
  addresses.delete(oldest!);
}
