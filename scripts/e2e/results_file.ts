import type { ScenarioResult } from "../../tests/e2e/scenario.ts";

/** Results as the scenarios add them to a file, each once. */
export class ResultsFile {
  readonly path: string;
  #taken = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Those that have come since the last call; none while there is no file. */
  async takeNew(): Promise<ScenarioResult[]> {
    const text = await Deno.readTextFile(this.path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    });
    // What is behind the last line feed is not yet complete.
    const lines = text.split("\n").slice(this.#taken, -1);
    this.#taken += lines.length;
    return lines.map((line) => JSON.parse(line));
  }
}
