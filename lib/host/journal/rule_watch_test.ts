import { deepEqual } from "node:assert/strict";
import { watchRules } from "./rule_watch.ts";

/** Answers one look after the other; resolves when all were had. */
function script(answers: readonly (string[] | Error)[]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let next = 0;
  return {
    allAsked: promise,
    putBack(): Promise<string[]> {
      const answer = answers[Math.min(next++, answers.length - 1)]!;
      if (next > answers.length) resolve();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
}

Deno.test("watchRules() says what was put back, and each problem once", async () => {
  const lines: string[] = [];
  const journal = script([[], ["nft"], new Error("busy"), new Error("busy"), ["iptables"], []]);
  {
    await using _watch = watchRules(journal, (line) => lines.push(line), 1);
    await journal.allAsked;
  }
  deepEqual(lines, [
    "another program removed firewall rules of this one (nft): they are back in force",
    "cannot put back firewall rules that were removed: busy",
    "another program removed firewall rules of this one (iptables): they are back in force",
  ]);
});

Deno.test("watchRules() has ended what was under way when it is disposed of", async () => {
  let ended = false;
  const asked = Promise.withResolvers<void>();
  const journal = {
    async putBack() {
      asked.resolve();
      await new Promise((resolve) => setTimeout(resolve, 20));
      ended = true;
      return [];
    },
  };
  {
    await using _watch = watchRules(journal, () => {}, 1);
    await asked.promise;
  }
  deepEqual(ended, true);
});
