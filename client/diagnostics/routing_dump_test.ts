import { deepEqual, equal } from "node:assert/strict";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import type { Check } from "./check.ts";
import { diagnosisJson, diagnosisLines } from "./diagnosis.ts";
import { readRouting, routingLines } from "./routing_dump.ts";

const check = (state: Check["state"]): Check => ({
  ...{ section: "DNS", name: "vpn.example", state, text: "what came of it", advice: null },
});

async function* checks(...states: Check["state"][]): AsyncGenerator<Check> {
  for (const state of states) yield await Promise.resolve(check(state));
}

function runnerOf(answers: Record<string, string>): CommandRunner {
  return {
    run(argv) {
      const stdout = answers[argv.join(" ")];
      return stdout === undefined
        ? Promise.reject(new Error(`Cannot run ${argv[0]}`))
        : Promise.resolve({ code: 0, stdout, stderr: "" });
    },
  };
}

const RUNNER = runnerOf({
  "ip -4 rule show": "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
  "ip -4 route show table all":
    "default via 192.0.2.1 dev eth0 \nlocal 192.0.2.7 dev eth0 table local \n",
  "ip -6 rule show": "",
});

Deno.test("readRouting() shows rules and routes, without those of the kernel's own table", async () => {
  deepEqual(routingLines(await readRouting(RUNNER)), [
    "",
    "Rules and routes",
    "  ip -4 rule show",
    "    0:\tfrom all lookup local",
    "    32766:\tfrom all lookup main",
    "  ip -4 route show table all",
    "    default via 192.0.2.1 dev eth0",
    "  ip -6 rule show",
    "    none",
    "  ip -6 route show table all",
    "    Cannot run ip",
  ]);
});

Deno.test("readRouting() is bounded, and says what it leaves out", async () => {
  const stdout = Array.from(
    { length: 5000 },
    (_, index) => `10.${index} dev eth0 ${"x".repeat(999)}`,
  )
    .join("\n");
  const [dump] = await readRouting(runnerOf({ "ip -4 rule show": stdout }));
  equal(dump!.lines.length, 101);
  equal(dump!.lines.at(-1), "... and 4900 more");
  equal(dump!.lines[0]!.length, 300);
});

Deno.test("a diagnosis shows the routes only where something failed, as text and as JSON", async () => {
  for (
    const [states, isShown] of [[["ok", "failed"], true], [["ok", "warning"], false]] as const
  ) {
    const lines = await Array.fromAsync(diagnosisLines(checks(...states), RUNNER));
    equal(lines.includes("Rules and routes"), isShown);
    equal(lines.includes("    default via 192.0.2.1 dev eth0"), isShown);
    const { routing } = JSON.parse(await diagnosisJson(checks(...states), RUNNER));
    if (isShown) deepEqual(routing, await readRouting(RUNNER));
    else equal(routing, null);
  }
});
