import { deepEqual, equal } from "node:assert/strict";
import { inOneMessage, splitAdvice } from "./advice.ts";

Deno.test("splitAdvice() parts what failed from what to do", () => {
  deepEqual(splitAdvice("Cannot read a: it is gone; check the path; or the disk"), {
    what: "Cannot read a: it is gone",
    advice: "check the path; or the disk",
  });
  deepEqual(splitAdvice("Cannot read a"), { what: "Cannot read a", advice: null });
});

Deno.test("inOneMessage() says the same advice once", () => {
  const message = inOneMessage([
    "Cannot connect to a: nothing listens there; check that the server runs",
    "Cannot connect to b: nothing listens there; check that the server runs",
    "No answer from c within 2 s; check the address",
  ]);
  equal(
    message,
    "Cannot connect to a: nothing listens there, then: Cannot connect to b: nothing listens there, " +
      "then: No answer from c within 2 s; check that the server runs; check the address",
  );
});
