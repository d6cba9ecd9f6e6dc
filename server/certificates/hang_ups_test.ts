import { equal } from "node:assert/strict";
import { HangUps } from "./hang_ups.ts";

/** Counts how often it was called; each call lasts until the next `finish`. */
class Answers {
  count = 0;
  #finish: (() => void) | null = null;

  readonly answer = (): Promise<void> => {
    this.count++;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#finish = resolve;
    return promise;
  };

  async finish(): Promise<void> {
    this.#finish?.();
    await Promise.resolve();
    await Promise.resolve();
  }
}

Deno.test("HangUps answers those that came too early, once", async () => {
  const hangUps = new HangUps();
  hangUps.notify();
  hangUps.notify();
  const answers = new Answers();
  using _ = hangUps.answerWith(answers.answer);
  equal(answers.count, 1);
  await answers.finish();
  equal(answers.count, 1);
});

Deno.test("HangUps answers once more for all that come meanwhile", async () => {
  const hangUps = new HangUps();
  const answers = new Answers();
  using _ = hangUps.answerWith(answers.answer);
  equal(answers.count, 0);
  for (let come = 0; come < 3; come++) hangUps.notify();
  equal(answers.count, 1);
  await answers.finish();
  equal(answers.count, 2);
  await answers.finish();
  equal(answers.count, 2);
  hangUps.notify();
  equal(answers.count, 3);
});

Deno.test("HangUps is silent once disposed of", async () => {
  const hangUps = new HangUps();
  const answers = new Answers();
  {
    using _ = hangUps.answerWith(answers.answer);
    hangUps.notify();
    hangUps.notify();
  }
  await answers.finish();
  hangUps.notify();
  equal(answers.count, 1);
});
