/** The scenarios' results, for people and for programs. */

import type { Figure, ScenarioResult } from "../../tests/e2e/scenario.ts";

interface E2eReport {
  passed: number;
  failed: number;
  seconds: number;
  scenarios: ScenarioResult[];
}

const NAME_WIDTH = 62;
const FAILURE_LINES = 12;

export function makeReport(scenarios: readonly ScenarioResult[], seconds: number): E2eReport {
  const passed = scenarios.filter((scenario) => scenario.passed).length;
  return {
    passed,
    failed: scenarios.length - passed,
    seconds: Number(seconds.toFixed(1)),
    scenarios: [...scenarios],
  };
}

/** One line of the table, with a heading where a topic begins. */
export function formatScenario(result: ScenarioResult, previous: ScenarioResult | null): string {
  const { topic, scenario, passed, figures, seconds } = result;
  const heading = topic === previous?.topic ? "" : `\n${topic}\n`;
  const row = `  ${passed ? "ok  " : "FAIL"}  ${scenario.padEnd(NAME_WIDTH)} ${
    seconds.toFixed(1).padStart(5)
  } s  ${figures.map(formatFigure).join(", ")}`;
  return heading + row.trimEnd();
}

/** What failed, and the sum. */
export function formatEnd({ passed, failed, seconds, scenarios }: E2eReport): string {
  const failures = scenarios.flatMap(({ topic, scenario, failure }) =>
    failure === null ? [] : [
      `${topic}: ${scenario}`,
      ...failure.split("\n").slice(0, FAILURE_LINES).map((line) => `    ${line}`),
      "",
    ]
  );
  return ["", ...failures, `${passed} passed, ${failed} failed, ${seconds} s`].join("\n");
}

function formatFigure({ what, value, unit }: Figure): string {
  const number = Number.isInteger(value) ? String(value) : value.toPrecision(3);
  return `${what} ${Number(number)}${unit === "" ? "" : ` ${unit}`}`;
}
