import { deepEqual, equal } from "node:assert/strict";
import { FirstAnswers } from "./first_answers.ts";

const at = (answers: FirstAnswers, times: number[], isUp = false) =>
  times.map((ms) => answers.hasPath("dsl", isUp, ms));

Deno.test("FirstAnswers tells once of a link that is never answered", () => {
  deepEqual(at(new FirstAnswers(), [0, 9_999, 10_000, 20_000]), [false, false, true, false]);
});

Deno.test("FirstAnswers is silent about a link that was answered, whatever comes later", () => {
  const answers = new FirstAnswers();
  equal(answers.hasPath("dsl", false, 0), false);
  equal(answers.hasPath("dsl", true, 5_000), false);
  deepEqual(at(answers, [10_000, 60_000]), [false, false]);
});

Deno.test("FirstAnswers begins anew with a link that has been away", () => {
  const answers = new FirstAnswers();
  at(answers, [0, 10_000]);
  answers.hasNoPath("dsl");
  deepEqual(at(answers, [20_000, 29_000, 30_000]), [false, false, true]);
});
