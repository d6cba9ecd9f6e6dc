/**
 * Handles packets that are too big for the paths of their session as a router does: it tells the
 * sender, or fragments the packet where IPv4 allows it.
 */
import { Ipv4Fragments } from "../../protocol/packet/ipv4_fragments.ts";
import { TokenBucket } from "../../protocol/packet/token_bucket.ts";
import {
  type RouterAddress,
  TOO_BIG_FRAGMENT,
  writeTooBig,
} from "../../protocol/packet/too_big.ts";

/** ICMP answers a second, and at once after a rest (RFC 4443, 2.4). */
const ANSWERS_PER_SECOND = 1000;
const ANSWERS_BURST = 200;

interface OversizeHooks {
  /** An answer of `length` bytes stands at the start of the memory for made packets. */
  readonly answer: (length: number) => void;
  /** So does a fragment, which is to be sent instead. */
  readonly send: (length: number) => void;
}

export class Oversize {
  readonly #fragments = new Ipv4Fragments();
  readonly #answers = new TokenBucket(ANSWERS_PER_SECOND, ANSWERS_BURST);
  readonly #made: DataView;
  readonly #hooks: OversizeHooks;

  /** @param made memory for the packets made here, TOO_BIG_LENGTH_MAX bytes or more. */
  constructor(made: DataView, hooks: OversizeHooks) {
    this.#made = made;
    this.#hooks = hooks;
  }

  /** Handles a packet, with its checksum complete, of which only `mtu` bytes fit. */
  handle(
    view: DataView,
    packet: number,
    length: number,
    mtu: number,
    router: RouterAddress,
    now: number,
  ): void {
    const answer = writeTooBig(view, packet, length, mtu, router, this.#made, 0);
    if (answer === TOO_BIG_FRAGMENT) this.#fragment(view, packet, length, mtu);
    else if (answer > 0 && this.#answers.take(now)) this.#hooks.answer(answer);
  }

  #fragment(view: DataView, packet: number, length: number, mtu: number): void {
    const fragments = this.#fragments;
    const made = this.#made;
    if (!fragments.start(view, packet, length, Math.min(mtu, made.byteLength))) return;
    for (let part = fragments.next(made, 0); part > 0; part = fragments.next(made, 0)) {
      this.#hooks.send(part);
    }
  }
}
