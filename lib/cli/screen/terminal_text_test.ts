import { deepEqual, equal, throws } from "node:assert/strict";
import { answerOf, promptText, terminalLines } from "./terminal_text.ts";

Deno.test("terminalLines() breaks sentences between words, and no command", () => {
  deepEqual(terminalLines("no word is broken here", 10), ["no word is", "broken", "here"]);
  const command = "  nft insert rule inet filter input tcp dport 8443 accept";
  deepEqual(terminalLines(command, 20), [command]);
  deepEqual(terminalLines("", 20), [""]);
});

Deno.test("promptText() breaks between words, with room for what stands in front", () => {
  equal(promptText("names and addresses", 12), "names and\naddresses");
});

Deno.test("answerOf() is why an answer is refused, without the name of its flag", () => {
  const refuse = (error: Error) => () => {
    throw error;
  };
  equal(answerOf(() => 1, TypeError), true);
  equal(answerOf(refuse(new TypeError("-hosts must be a name")), TypeError), "It must be a name");
  throws(() => answerOf(refuse(new RangeError("a defect")), TypeError), /a defect/);
});
