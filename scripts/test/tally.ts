/** How many tests ended how. */
export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed\b.*? \| (\d+) failed\b(?:.*? \| (\d+) ignored\b)?/;
const RESULT = /^\S.* \.\.\. (?:.*\s)?(ok|FAILED|ignored)(?: \([^()]*\))?$/;
const UNCAUGHT = /^Uncaught error from .* FAILED$/;
// deno-lint-ignore no-control-regex
const COLOR = /\x1b\[[\d;]*m/g;
/** A test that prints without end must not fill the memory of who counts. */
const LINE_LENGTH_MAX = 4096;

/**
 * Counts tests in the output of `deno test`, as it comes. The summary line at its end is exact; the
 * results line by line stand in for it when the run ends before its summary.
 */
export class TallyReader {
  readonly #decoder = new TextDecoder();
  readonly #counted: Tally = { passed: 0, failed: 0, skipped: 0 };
  #summary: Tally | null = null;
  #line = "";

  push(chunk: Uint8Array): void {
    const lines = (this.#line + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#line = lines.pop()!.slice(0, LINE_LENGTH_MAX);
    for (const line of lines) this.#read(line.slice(0, LINE_LENGTH_MAX).replace(COLOR, ""));
  }

  /** Call once, after the last chunk. `ended` says whether the run ended by itself, and how. */
  finish(ended: "success" | "failure" | "killed"): Tally {
    this.#read(this.#line.replace(COLOR, ""));
    // A test may print a summary of its own, so what was killed before its end has none.
    const tally = (ended === "killed" ? null : this.#summary) ?? this.#counted;
    const failed = ended === "success" ? tally.failed : Math.max(tally.failed, 1);
    return { ...tally, failed };
  }

  #read(line: string) {
    const summary = SUMMARY.exec(line);
    if (summary !== null) {
      const [passed = 0, failed = 0, skipped = 0] = summary.slice(1).map((n) => Number(n ?? 0));
      this.#summary = { passed, failed, skipped };
      return;
    }
    const result = RESULT.exec(line)?.[1];
    if (result === "ok") this.#counted.passed++;
    if (result === "FAILED" || UNCAUGHT.test(line)) this.#counted.failed++;
    if (result === "ignored") this.#counted.skipped++;
  }
}

/** `12 passed, 0 failed`, and `, 3 skipped` behind it where some were. */
export function formatTally({ passed, failed, skipped }: Tally): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}

/** Whether a run counts as good: nothing failed, and something was tried at all. */
export function isGood({ passed, failed }: Tally): boolean {
  return failed === 0 && passed > 0;
}
