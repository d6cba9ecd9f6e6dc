/**
 * For tests: a caller of the reorder buffer as the data plane is one. It keeps the packet memory,
 * follows the contract of each answer, and records what it delivers. The packets are their own
 * sequences.
 */

import {
  DELIVER_NOW,
  EMPTY,
  OVERFLOW,
  ReorderBuffer,
  type ReorderOptions,
} from "./reorder_buffer.ts";

export class Receiver {
  readonly buffer: ReorderBuffer;
  readonly delivered: number[] = [];
  readonly #memory: number[] = [];

  constructor(options: ReorderOptions) {
    this.buffer = new ReorderBuffer(options);
  }

  readonly arrive = (sequence: number, now: number): number => {
    let answer = this.buffer.offer(sequence, now);
    while (answer === OVERFLOW) {
      this.buffer.skipGap();
      this.wait(now);
      answer = this.buffer.offer(sequence, now);
    }
    if (answer === DELIVER_NOW) this.delivered.push(sequence);
    if (answer >= 0) this.#memory[answer] = sequence;
    this.wait(now);
    return answer;
  };

  readonly arriveEmpty = (sequence: number, now: number): void => {
    const answer = this.buffer.offer(sequence, now);
    if (answer >= 0) this.buffer.markEmpty(answer);
    this.wait(now);
  };

  readonly wait = (now: number): void => {
    for (let slot = this.buffer.take(now); slot !== EMPTY; slot = this.buffer.take(now)) {
      this.delivered.push(this.#memory[slot]!);
    }
  };
}
