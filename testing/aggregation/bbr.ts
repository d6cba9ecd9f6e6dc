/**
 * BBR, version 1, as in Linux: the rate is the most of ten rounds, the delay the least of 10 s, and the
 * window makes room for acknowledgements that come in bursts.
 */
import type { CongestionControl, RateSample } from "./congestion_control.ts";

const HIGH_GAIN = 2.885;
const CYCLE = [1.25, 0.75, 1, 1, 1, 1, 1, 1];
const RATE_ROUNDS = 10;
const RTT_WINDOW_MS = 10_000;
const PROBE_RTT_MS = 200;
const WINDOW_MIN = 4;
/** Acknowledgements in bursts: over so many rounds twice, and the most that the window grows by. */
const BURST_ROUNDS = 5;
const BURST_MS_MAX = 100;

export class Bbr implements CongestionControl {
  window = 10;
  pacingRate = Infinity;
  #state: "startup" | "drain" | "probe rate" | "probe rtt" = "startup";
  readonly #rates: { round: number; rate: number }[] = [];
  #round = 0;
  #leastRtt = Infinity;
  #leastRttAt = 0;
  #full = 0;
  #fullRounds = 0;
  #phase = 2;
  #phaseAt = 0;
  #probeRttUntil = -1;
  #saved = 0;
  #isRecovering = false;
  /** Acknowledged beyond the rate, at the most, in the present rounds and in those before. */
  readonly #beyond = [0, 0];
  #beyondRounds = 0;
  #epochAt = 0;
  #epochAcknowledged = 0;

  get #rate(): number {
    return this.#rates.reduce((most, { rate }) => Math.max(most, rate), 0);
  }

  acknowledged(sample: RateSample): void {
    const { now } = sample;
    if (sample.isRoundStart) this.#round++;
    // What little it sends while it measures the delay says nothing of the rate.
    const isTold = this.#state !== "probe rtt" || (sample.rate ?? 0) >= this.#rate;
    if (sample.rate !== null && isTold) this.#noteRate(sample.rate);
    const isExpired = now - this.#leastRttAt > RTT_WINDOW_MS;
    if (sample.rtt !== null && (sample.rtt <= this.#leastRtt || isExpired)) {
      this.#leastRtt = sample.rtt;
      this.#leastRttAt = now;
    }
    this.#noteBurst(sample);
    this.#checkFull(sample);
    const product = this.#rate * this.#leastRtt;
    if (this.#state === "startup" && this.#fullRounds >= 3) this.#state = "drain";
    if (this.#state === "drain" && sample.inFlight <= product) this.#enterProbeRate(now);
    if (this.#state === "probe rate") this.#cycle(sample, product);
    this.#checkProbeRtt(sample, isExpired);
    this.#set(sample);
  }

  #noteRate(rate: number): void {
    const last = this.#rates.at(-1);
    if (last?.round === this.#round) last.rate = Math.max(last.rate, rate);
    else this.#rates.push({ round: this.#round, rate });
    while (this.#rates[0]!.round <= this.#round - RATE_ROUNDS) this.#rates.shift();
  }

  #noteBurst({ now, delivered, isRoundStart }: RateSample): void {
    if (isRoundStart && ++this.#beyondRounds >= BURST_ROUNDS) {
      this.#beyondRounds = 0;
      this.#beyond.unshift(0);
      this.#beyond.pop();
    }
    const expected = this.#rate * (now - this.#epochAt);
    if (this.#epochAcknowledged <= expected) {
      this.#epochAcknowledged = 0;
      this.#epochAt = now;
    }
    this.#epochAcknowledged += delivered;
    const beyond = this.#epochAcknowledged - this.#rate * (now - this.#epochAt);
    this.#beyond[0] = Math.max(this.#beyond[0]!, Math.min(beyond, this.window));
  }

  #checkFull(sample: RateSample): void {
    if (this.#state !== "startup" || !sample.isRoundStart) return;
    if (this.#rate >= this.#full * 1.25) {
      this.#full = this.#rate;
      this.#fullRounds = 0;
    } else this.#fullRounds++;
  }

  #enterProbeRate(now: number): void {
    this.#state = "probe rate";
    this.#phase = 2 + Math.floor(now) % 6;
    this.#phaseAt = now;
  }

  #cycle({ now, inFlight }: RateSample, product: number): void {
    const gain = CYCLE[this.#phase]!;
    const isOver = now - this.#phaseAt > this.#leastRtt;
    const mayGo = gain === 1
      ? isOver
      : gain > 1
      ? isOver && (inFlight >= gain * product || this.#isRecovering)
      : isOver || inFlight <= product;
    if (!mayGo) return;
    this.#phase = (this.#phase + 1) % CYCLE.length;
    this.#phaseAt = now;
  }

  #checkProbeRtt({ now, inFlight }: RateSample, isExpired: boolean): void {
    if (this.#state !== "probe rtt" && isExpired) {
      this.#state = "probe rtt";
      this.#saved = this.window;
      this.#probeRttUntil = -1;
    }
    if (this.#state !== "probe rtt") return;
    if (this.#probeRttUntil === -1 && inFlight <= WINDOW_MIN) {
      this.#probeRttUntil = now + PROBE_RTT_MS;
    }
    if (this.#probeRttUntil !== -1 && now >= this.#probeRttUntil) {
      this.#leastRttAt = now;
      this.window = this.#saved;
      if (this.#fullRounds >= 3) this.#enterProbeRate(now);
      else this.#state = "startup";
    }
  }

  #set({ delivered }: RateSample): void {
    const pacing = this.#state === "startup"
      ? HIGH_GAIN
      : this.#state === "drain"
      ? 1 / HIGH_GAIN
      : this.#state === "probe rate"
      ? CYCLE[this.#phase]!
      : 1;
    const rate = this.#rate;
    if (rate > 0) this.pacingRate = Math.max(pacing * rate, 1e-3);
    const gain = this.#state === "startup" || this.#state === "drain" ? HIGH_GAIN : 2;
    const target = Number.isFinite(this.#leastRtt) && rate > 0
      ? gain * rate * this.#leastRtt + this.#burst() + 3
      : Infinity;
    if (this.#fullRounds >= 3) this.window = Math.min(this.window + delivered, target);
    else if (this.window < target) this.window += delivered;
    this.window = Math.max(this.window, WINDOW_MIN);
    if (this.#state === "probe rtt") this.window = WINDOW_MIN;
  }

  #burst(): number {
    if (this.#fullRounds < 3) return 0;
    return Math.min(Math.max(...this.#beyond), this.#rate * BURST_MS_MAX);
  }

  lossBegins(): void {
    this.#isRecovering = true;
  }

  lossEnds(): void {
    this.#isRecovering = false;
  }

  timedOut(): void {
    this.window = WINDOW_MIN;
  }
}
