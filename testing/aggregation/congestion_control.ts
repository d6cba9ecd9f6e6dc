/** How much a model of a TCP sender sends. Packets of one size; times in ms; rates per ms. */

export interface RateSample {
  readonly now: number;
  /** Packets newly delivered. */
  readonly delivered: number;
  /** ms; null when only packets that were sent twice were delivered. */
  readonly rtt: number | null;
  /** Packets a ms, over the time from the sending to the delivery of the newest; null if unknown. */
  readonly rate: number | null;
  /** In flight now. */
  readonly inFlight: number;
  /** A round has passed since this was last true. */
  readonly isRoundStart: boolean;
}

export interface CongestionControl {
  readonly window: number;
  /** Packets a ms; Infinity without pacing. */
  readonly pacingRate: number;
  acknowledged(sample: RateSample): void;
  /** Once for each loss episode. */
  lossBegins(now: number, inFlight: number): void;
  lossEnds(): void;
  timedOut(): void;
}
