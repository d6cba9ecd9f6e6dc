/**
 * Which transport each link uses: UDP where it is answered and not slowed down, else TLS beside it, until
 * UDP is well again. A decision per link, from what is seen of its paths; has no clock.
 */
import type { TransportMode } from "../config/transport_options.ts";
import { type Carried, type ThrottleVerdict, ThrottleWatch } from "./throttled_udp.ts";

/** UDP that is silent for so long, though the server has granted a session, is taken for blocked. */
const UDP_SILENT_MS = 3000;
/** UDP has to be answered for so long before TLS is given up, */
const UDP_TRUSTED_MS = 2000;
/** twice that each time it falls silent within this time after it was trusted, */
const RELAPSE_WITHIN_MS = 60_000;
/** and at the most so long. */
const UDP_TRUSTED_MS_MAX = 64_000;

type TransportChange = "to TLS" | "to UDP" | "TLS not needed";

interface LinkTransport {
  /** Because UDP is silent. */
  usesTls: boolean;
  throttle: ThrottleWatch;
  /** Whether the path inside TLS has been answered since it is wanted. */
  isTlsProven: boolean;
  /** Since when UDP is not answered; null: it is, or there is no path. */
  silentSinceMs: number | null;
  answeredSinceMs: number | null;
  /** When UDP took the place of TLS. */
  returnedMs: number;
  trustedMs: number;
}

export class TransportChoice {
  readonly #mode: TransportMode;
  readonly #links = new Map<string, LinkTransport>();

  constructor(mode: TransportMode) {
    this.#mode = mode;
  }

  /** Whether it is by what is seen of the paths. */
  get isAutomatic(): boolean {
    return this.#mode === "auto";
  }

  /** Whether the link has a path by UDP. */
  wantsUdp(): boolean {
    return this.#mode !== "tls";
  }

  /** Whether the link has a path inside TLS. */
  wantsTls(link: string): boolean {
    if (this.#mode !== "auto") return this.#mode === "tls";
    const state = this.#links.get(link);
    return state !== undefined && (state.usesTls || state.throttle.wantsTls);
  }

  /** The path of the link that carries only while nothing else works; null: neither. */
  heldBack(link: string): "udp" | "tls" | null {
    const state = this.#links.get(link);
    return state === undefined || state.usesTls ? null : state.throttle.heldBack;
  }

  /** Why the link uses TLS, for people; null: it does not. */
  reason(link: string): string | null {
    if (!this.wantsTls(link)) return null;
    if (this.#mode === "tls") return "as asked for";
    const { usesTls, throttle } = this.#links.get(link)!;
    if (usesTls) return "UDP gets no answer";
    return throttle.isThrottled ? "UDP is slowed down" : "UDP loses packets";
  }

  /** The link has no path by UDP at present: nothing is learned of it. */
  hasNoPath(link: string): void {
    const state = this.#links.get(link);
    if (state !== undefined) state.silentSinceMs = state.answeredSinceMs = null;
  }

  /** The link leads through another network than before: nobody knows what that slows down. */
  movedElsewhere(link: string): void {
    const state = this.#links.get(link);
    if (state !== undefined) state.throttle = new ThrottleWatch();
  }

  /**
   * The link's path by UDP is answered, or is not, and so the one inside TLS if there is one. Returns what
   * it is to use from now on, if that changes; "TLS not needed": UDP is answered before TLS ever was.
   */
  look(link: string, isUdpUp: boolean, nowMs: number, isTlsUp = false): TransportChange | null {
    if (this.#mode !== "auto") return null;
    const state = this.#stateOf(link);
    if (isTlsUp) state.isTlsProven = true;
    return isUdpUp ? answered(state, nowMs, isTlsUp) : silent(state, nowMs);
  }

  /** What the link's paths have carried since the last look, as ThrottleWatch.look() has it. */
  carried(
    link: string,
    udp: Carried | null,
    tls: Carried | null,
    nowMs: number,
  ): ThrottleVerdict | null {
    if (this.#mode !== "auto") return null;
    const { usesTls, throttle } = this.#stateOf(link);
    // Silence is the other matter, and decided.
    return usesTls ? null : throttle.look(udp, tls, nowMs);
  }

  /** Forgets other links than these. */
  keepOnly(links: readonly string[]): void {
    for (const link of this.#links.keys()) if (!links.includes(link)) this.#links.delete(link);
  }

  #stateOf(link: string): LinkTransport {
    return this.#links.getOrInsertComputed(link, () => ({
      usesTls: false,
      isTlsProven: false,
      throttle: new ThrottleWatch(),
      silentSinceMs: null,
      answeredSinceMs: null,
      returnedMs: -Infinity,
      trustedMs: UDP_TRUSTED_MS,
    }));
  }
}

function answered(state: LinkTransport, nowMs: number, isTlsUp: boolean): TransportChange | null {
  state.silentSinceMs = null;
  state.answeredSinceMs ??= nowMs;
  if (!state.usesTls) return null;
  if (!state.isTlsProven) {
    state.usesTls = false;
    return "TLS not needed";
  }
  // There is nothing to wait for where TLS does not work, as after a link was cut.
  if (isTlsUp && nowMs - state.answeredSinceMs < state.trustedMs) return null;
  state.usesTls = false;
  state.returnedMs = nowMs;
  return "to UDP";
}

function silent(state: LinkTransport, nowMs: number): TransportChange | null {
  state.answeredSinceMs = null;
  state.silentSinceMs ??= nowMs;
  if (state.usesTls || nowMs - state.silentSinceMs < UDP_SILENT_MS) return null;
  state.usesTls = true;
  state.isTlsProven = false;
  const isRelapse = nowMs - state.returnedMs < RELAPSE_WITHIN_MS;
  state.trustedMs = isRelapse ? Math.min(UDP_TRUSTED_MS_MAX, 2 * state.trustedMs) : UDP_TRUSTED_MS;
  return "to TLS";
}
