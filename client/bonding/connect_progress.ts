/** How far the first connection has come, step by step, for who looks on. Has no clock. */

/** In the order in which they are taken. */
const CONNECT_STEPS = ["resolve", "TCP", "TLS", "session", "paths", "TUN"] as const;
export type ConnectStep = typeof CONNECT_STEPS[number];

export interface StepStatus {
  readonly step: ConnectStep;
  readonly state: "waiting" | "under way" | "done" | "failed";
  /** What it is about, or why it failed; "" for nothing. */
  readonly detail: string;
}

export class ConnectProgress {
  #current = -1;
  #isFailed = false;
  #isFinished = false;
  readonly #details = new Map<ConnectStep, string>();
  readonly #onChange: (steps: readonly StepStatus[]) => void;

  constructor(onChange: (steps: readonly StepStatus[]) => void = () => {}) {
    this.#onChange = onChange;
  }

  get steps(): readonly StepStatus[] {
    return CONNECT_STEPS.map((step, index) => ({
      step,
      state: index < this.#current || this.#isFinished
        ? "done"
        : index > this.#current
        ? "waiting"
        : this.#isFailed
        ? "failed"
        : "under way",
      detail: index > this.#current ? "" : this.#details.get(step) ?? "",
    }));
  }

  /** Those before it are done; one that was tried before begins anew. */
  begin(step: ConnectStep, detail: string): void {
    if (this.#isFinished) return;
    this.#current = CONNECT_STEPS.indexOf(step);
    this.#isFailed = false;
    this.tell(step, detail);
  }

  /** What has come of a step, for when the next one is under way. */
  tell(step: ConnectStep, detail: string): void {
    if (this.#isFinished) return;
    this.#details.set(step, detail);
    this.#onChange(this.steps);
  }

  /** The step under way could not be done; it may be tried again. */
  fail(why: string): void {
    if (this.#isFinished || this.#current < 0) return;
    this.#isFailed = true;
    this.tell(CONNECT_STEPS[this.#current]!, why);
  }

  /** Everything is done: what comes later is another session's. */
  finish(): void {
    this.#isFinished = true;
    this.#current = CONNECT_STEPS.length - 1;
  }
}
