/** Events on virtual time, in order of time, and of their making where times are equal. */

type Action = (now: number) => void;

export class EventQueue {
  now = 0;
  readonly #at: number[] = [];
  readonly #made: number[] = [];
  readonly #actions: Action[] = [];
  #count = 0;

  at(time: number, action: Action): void {
    let index = this.#at.length;
    const made = this.#count++;
    this.#at.push(time);
    this.#made.push(made);
    this.#actions.push(action);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!this.#isBefore(time, made, parent)) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#put(index, time, made, action);
  }

  /** Runs what happens until `end`. */
  run(end: number): void {
    while (this.#at.length > 0 && this.#at[0]! <= end) {
      this.now = Math.max(this.now, this.#at[0]!);
      this.#take()(this.now);
    }
    this.now = end;
  }

  #take(): Action {
    const first = this.#actions[0]!;
    const time = this.#at.pop()!;
    const made = this.#made.pop()!;
    const action = this.#actions.pop()!;
    const length = this.#at.length;
    if (length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      if (
        child + 1 < length && this.#isBefore(this.#at[child + 1]!, this.#made[child + 1]!, child)
      ) {
        child++;
      }
      if (this.#isBefore(time, made, child)) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, time, made, action);
    return first;
  }

  #isBefore(time: number, made: number, index: number): boolean {
    const other = this.#at[index]!;
    return time < other || (time === other && made < this.#made[index]!);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#at[from]!, this.#made[from]!, this.#actions[from]!);
  }

  #put(index: number, time: number, made: number, action: Action): void {
    this.#at[index] = time;
    this.#made[index] = made;
    this.#actions[index] = action;
  }
}
