/**
 * End-to-end scenarios: both programs as processes of their own, from source, with real TUN devices,
 * sockets, routes and firewall rules in the namespaces of scripts/lab/. Each says what it has
 * measured; with FLUXIFY_E2E_RESULTS set to a file, every scenario adds one line of JSON to it
 * (ScenarioResult), which is how `deno task e2e` gets its table.
 */

import { needsRoot } from "../netns/namespace.ts";

/** One number a scenario found. */
export interface Figure {
  what: string;
  value: number;
  /** "ms", "MB", "packets"; empty for a plain number. */
  unit: string;
}

export interface ScenarioResult {
  topic: string;
  scenario: string;
  passed: boolean;
  figures: Figure[];
  seconds: number;
  /** The error's text, or null. */
  failure: string | null;
}

/** Notes a number worth knowing, whether or not anything depends on it. */
export type Measure = (what: string, value: number, unit?: string) => void;

/** Runs one scenario on what the topic has set up. A failed one does not keep the next from running. */
export type Scenario = (name: string, run: (measure: Measure) => Promise<void>) => Promise<void>;

export const RESULTS_VARIABLE = "FLUXIFY_E2E_RESULTS";

/** A test whose steps are scenarios that share what `run` sets up. */
export function topic(
  name: string,
  run: (scenario: Scenario) => Promise<void>,
  needs = needsRoot(),
): void {
  Deno.test({
    name: `netns: ${name}`,
    ...needs,
    async fn(t) {
      const scenario: Scenario = async (scenarioName, body) => {
        await t.step({
          name: scenarioName,
          // A child of the topic may end, or print a line, while a step of it runs: what is left
          // over is checked for the topic as a whole.
          sanitizeOps: false,
          sanitizeResources: false,
          fn: () => record(name, scenarioName, body),
        });
      };
      await reportingSetUp(name, () => run(scenario));
    },
  });
}

async function record(
  topicName: string,
  scenario: string,
  run: (measure: Measure) => Promise<void>,
): Promise<void> {
  const figures: Figure[] = [];
  const startMs = performance.now();
  const finish = (failure: string | null) =>
    report({
      topic: topicName,
      scenario,
      passed: failure === null,
      figures,
      seconds: (performance.now() - startMs) / 1000,
      failure,
    });
  try {
    await run((what, value, unit = "") => figures.push({ what, value, unit }));
  } catch (error) {
    finish(String(error));
    throw error;
  }
  finish(null);
}

/** What fails outside of any scenario is a result too. */
async function reportingSetUp(topicName: string, run: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  try {
    await run();
  } catch (error) {
    report({
      topic: topicName,
      scenario: "(preparing or cleaning up)",
      passed: false,
      figures: [],
      seconds: (performance.now() - startMs) / 1000,
      failure: String(error),
    });
    throw error;
  }
}

function report(result: ScenarioResult): void {
  const path = Deno.env.get(RESULTS_VARIABLE);
  if (path) Deno.writeTextFileSync(path, `${JSON.stringify(result)}\n`, { append: true });
}
