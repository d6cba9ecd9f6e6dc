/**
 * Whether a network slows UDP down on a link: UDP carries load and loses much of it, so TLS is tried
 * beside it, and what arrives by the one is compared with what arrives by the other. On a link that is
 * merely full TLS gets no more, and nothing changes. Each trial that fails doubles the wait for the
 * next, so nothing flaps. Has no clock; looks are about a second apart.
 */

/** Bytes a second: a path that is asked for less is not loaded, and says nothing. */
export const LOADED_RATE = 25_000;
/** Of what is sent: more is lost while a network polices UDP. */
const LOSS = 0.02;
/** Loaded looks with so much loss, more than without, raise the doubt; */
const DOUBTS = 3;
/** one with a filled queue counts for so much: that is what a link does which is merely full, */
const QUEUED_DOUBT = 0.25;
/** and older ones are forgotten. */
const DOUBT_KEPT_MS = 60_000;
/** TLS has to be up within so long. */
const OPENING_MS = 10_000;
/** Once there is load, it finds its rate in so long; then so many looks count. */
const SETTLE_MS = 2000;
const LOOKS = 3;
/** Load has to come, and to stay for that, in so long. */
const TRIAL_MS_MAX = 15_000;
/** TLS has to get so many times what UDP got, */
const BETTER = 1.5;
/** and UDP to get so much of what TLS does, to take over again. */
const AS_GOOD = 0.8;
/** A trial of UDP that loses so much is over at once. */
const HOPELESS_LOSS = 0.1;
/** TLS is looked at again after so long at first, */
const PAUSE_FIRST_MS = 30_000;
/** UDP after so long at first, */
export const HOLD_FIRST_MS = 20_000;
/** and both after twice as long each time, up to this. */
const WAIT_MAX_MS = 30 * 60_000;
/** A trial of TLS that was due for so long, and not needed, is as the first. */
const FORGIVEN_AFTER_MS = 60 * 60_000;
/** UDP that is slowed down again within this time is trusted later. */
const RELAPSE_WITHIN_MS = 10 * 60_000;
/** A path that does not work for so many looks in a row loses the trial. */
const ABSENT_LOOKS = 3;

/** What arrived of what was sent one way, between two looks. */
export interface Arriving {
  /** Bytes a second. */
  readonly rate: number;
  /** Share of what was sent, 0 to 1. */
  readonly loss: number;
  /** Whether the path has a queue that is filled. */
  readonly isQueued: boolean;
}

export interface Carried {
  readonly up: Arriving;
  readonly down: Arriving;
}

type Direction = keyof Carried;
const DIRECTIONS: readonly Direction[] = ["up", "down"];

/** What a look has decided; rates in bytes a second, of the direction that UDP loses in. */
export interface ThrottleVerdict {
  readonly kind: "tries TLS" | "to TLS" | "stays by UDP" | "tries UDP" | "to UDP" | "stays by TLS";
  readonly udpRate: number;
  readonly tlsRate: number;
}

type State =
  | { readonly name: "udp" }
  | { readonly name: "opening"; readonly sinceMs: number; readonly before: Before }
  | Trying
  | { readonly name: "tls"; readonly sinceMs: number; readonly direction: Direction };

interface Trying {
  readonly name: "trying TLS" | "trying UDP";
  readonly before: Before;
  readonly trial: Trial;
}

/** What the transport in use got before the other was tried. */
interface Before {
  readonly direction: Direction;
  readonly rate: number;
}

interface Trial {
  readonly sinceMs: number;
  /** Since when there is load; null: none has come. */
  loadedMs: number | null;
  readonly rates: number[];
  absent: number;
}

export class ThrottleWatch {
  #state: State = { name: "udp" };
  #doubts: Record<Direction, Doubt> = { up: new Doubt(), down: new Doubt() };
  /** Inside TLS: what arrived in the last looks. */
  #lately: number[] = [];
  #absent = 0;
  #notBeforeMs = -Infinity;
  #pauseMs = PAUSE_FIRST_MS;
  #holdMs = HOLD_FIRST_MS;
  #returnedMs = -Infinity;

  /** Whether the link needs a path inside TLS. */
  get wantsTls(): boolean {
    return this.#state.name !== "udp";
  }

  /** Whether UDP was found to be slowed down. */
  get isThrottled(): boolean {
    return this.#state.name === "tls" || this.#state.name === "trying UDP";
  }

  /** Which of the two carries only while nothing else works; null: neither. */
  get heldBack(): "udp" | "tls" | null {
    const { name } = this.#state;
    if (name === "trying TLS" || name === "tls") return "udp";
    return name === "trying UDP" ? "tls" : null;
  }

  /** What each of the two has carried since the last look; null: it does not work. */
  look(udp: Carried | null, tls: Carried | null, nowMs: number): ThrottleVerdict | null {
    const state = this.#state;
    switch (state.name) {
      case "udp":
        return this.#watchUdp(udp, nowMs);
      case "opening":
        if (tls !== null) {
          this.#state = { name: "trying TLS", before: state.before, trial: newTrial(nowMs) };
        } else if (nowMs - state.sinceMs >= OPENING_MS) {
          return this.#stayByUdp(state.before.rate, 0, nowMs);
        }
        return null;
      case "trying TLS":
        return this.#tryTls(state, tls, nowMs);
      case "trying UDP":
        return this.#tryUdp(state, udp, nowMs);
      case "tls":
        return this.#watchTls(state, tls, nowMs);
      default:
        return state satisfies never;
    }
  }

  #watchUdp(udp: Carried | null, nowMs: number): ThrottleVerdict | null {
    if (udp === null) return null;
    for (const direction of DIRECTIONS) this.#doubts[direction].note(udp[direction], nowMs);
    if (nowMs < this.#notBeforeMs) return null;
    const direction = DIRECTIONS.find((one) => this.#doubts[one].isStrong);
    if (direction === undefined) return null;
    if (nowMs - this.#notBeforeMs >= FORGIVEN_AFTER_MS) this.#pauseMs = PAUSE_FIRST_MS;
    const before = { direction, rate: this.#doubts[direction].rate };
    this.#state = { name: "opening", sinceMs: nowMs, before };
    return { kind: "tries TLS", udpRate: before.rate, tlsRate: 0 };
  }

  #tryTls(
    { before, trial }: Trying,
    tls: Carried | null,
    nowMs: number,
  ): ThrottleVerdict | null {
    if (!measured(trial, tls?.[before.direction] ?? null, nowMs)) return null;
    const tlsRate = outcome(trial);
    const isBetter = tlsRate >= BETTER * before.rate && tlsRate >= before.rate + LOADED_RATE;
    if (!isBetter) return this.#stayByUdp(before.rate, tlsRate, nowMs);
    const isRelapse = nowMs - this.#returnedMs < RELAPSE_WITHIN_MS;
    this.#holdMs = isRelapse ? longer(this.#holdMs) : HOLD_FIRST_MS;
    this.#pauseMs = PAUSE_FIRST_MS;
    this.#stayInTls(before.direction, nowMs);
    return { kind: "to TLS", udpRate: before.rate, tlsRate };
  }

  #stayByUdp(udpRate: number, tlsRate: number, nowMs: number): ThrottleVerdict {
    this.#useUdp();
    this.#notBeforeMs = nowMs + this.#pauseMs;
    this.#pauseMs = longer(this.#pauseMs);
    return { kind: "stays by UDP", udpRate, tlsRate };
  }

  #useUdp(): void {
    this.#state = { name: "udp" };
    this.#doubts = { up: new Doubt(), down: new Doubt() };
  }

  #stayInTls(direction: Direction, nowMs: number): void {
    this.#state = { name: "tls", sinceMs: nowMs, direction };
    this.#lately = [];
    this.#absent = 0;
  }

  #watchTls(
    { sinceMs, direction }: State & { name: "tls" },
    tls: Carried | null,
    nowMs: number,
  ): ThrottleVerdict | null {
    if (tls === null) {
      this.#lately = [];
      this.#absent++;
      return this.#absent > 3 * ABSENT_LOOKS ? this.#stayByUdp(0, 0, nowMs) : null;
    }
    this.#absent = 0;
    this.#lately = [...this.#lately.slice(1 - LOOKS), tls[direction].rate];
    const isLoaded = this.#lately.length === LOOKS &&
      this.#lately.every((rate) => rate >= LOADED_RATE);
    if (nowMs - sinceMs < this.#holdMs || !isLoaded) return null;
    const before = { direction, rate: mean(this.#lately) };
    this.#state = { name: "trying UDP", before, trial: newTrial(nowMs) };
    return { kind: "tries UDP", udpRate: 0, tlsRate: before.rate };
  }

  #tryUdp(
    { before, trial }: Trying,
    udp: Carried | null,
    nowMs: number,
  ): ThrottleVerdict | null {
    const { direction, rate } = before;
    const arriving = udp?.[direction] ?? null;
    const isHopeless = arriving !== null && arriving.loss >= HOPELESS_LOSS &&
      arriving.rate < rate / 2 && arriving.rate >= LOADED_RATE * (1 - arriving.loss) &&
      nowMs - trial.sinceMs >= SETTLE_MS / 2;
    if (!isHopeless && !measured(trial, arriving, nowMs)) return null;
    const udpRate = isHopeless ? arriving.rate : outcome(trial);
    if (!isHopeless && udpRate >= AS_GOOD * rate) {
      this.#returnedMs = nowMs;
      this.#useUdp();
      return { kind: "to UDP", udpRate, tlsRate: rate };
    }
    this.#holdMs = longer(this.#holdMs);
    this.#stayInTls(direction, nowMs);
    return { kind: "stays by TLS", udpRate, tlsRate: rate };
  }
}

/** Whether what UDP carries one way gets lost. */
class Doubt {
  #count = 0;
  #rates: number[] = [];
  #lastMs = -Infinity;

  get isStrong(): boolean {
    return this.#count >= DOUBTS;
  }

  /** What arrived meanwhile, on the average. */
  get rate(): number {
    return mean(this.#rates);
  }

  note({ rate, loss, isQueued }: Arriving, nowMs: number): void {
    if (nowMs - this.#lastMs > DOUBT_KEPT_MS) this.#count = 0;
    if (this.#count === 0) this.#rates = [];
    const isLoaded = rate >= LOADED_RATE * (1 - loss);
    if (!isLoaded) return;
    if (loss < LOSS) {
      this.#count = Math.max(0, this.#count - 1);
      return;
    }
    this.#count = Math.min(DOUBTS, this.#count + (isQueued ? QUEUED_DOUBT : 1));
    this.#rates = [...this.#rates.slice(1 - DOUBTS), rate];
    this.#lastMs = nowMs;
  }
}

function newTrial(nowMs: number): Trial {
  return { sinceMs: nowMs, loadedMs: null, rates: [], absent: 0 };
}

/** Takes a look into the trial. Returns whether it is over. */
function measured(trial: Trial, arriving: Arriving | null, nowMs: number): boolean {
  trial.absent = arriving === null ? trial.absent + 1 : 0;
  if (arriving !== null && arriving.rate >= LOADED_RATE) {
    trial.loadedMs ??= nowMs;
    if (nowMs - trial.loadedMs >= SETTLE_MS) trial.rates.push(arriving.rate);
  }
  return trial.rates.length >= LOOKS || trial.absent >= ABSENT_LOOKS ||
    nowMs - trial.sinceMs >= TRIAL_MS_MAX;
}

/** What a trial came to; 0: too little flowed. */
function outcome({ rates }: Trial): number {
  return rates.length < LOOKS ? 0 : mean(rates);
}

/** 0 of none. */
function mean(rates: readonly number[]): number {
  return rates.reduce((sum, rate) => sum + rate, 0) / Math.max(1, rates.length);
}

function longer(waitMs: number): number {
  return Math.min(WAIT_MAX_MS, 2 * waitMs);
}
