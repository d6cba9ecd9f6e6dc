/**
 * Looks for what stands between this machine and a server that carries its traffic. Checks are told
 * one by one as they are done, each with what to do about it; they change nothing on the machine.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { splitAdvice } from "../control/advice.ts";

type CheckState = "ok" | "warning" | "failed" | "left out";

export interface Check {
  readonly section: string;
  readonly name: string;
  readonly state: CheckState;
  readonly text: string;
  /** What to do, naming the flag or command; null when there is nothing to be done. */
  readonly advice: string | null;
}

/** A check that failed by an error, whose message says behind "; " what to do. */
export function failedBy(section: string, name: string, error: unknown): Check {
  const { what, advice } = splitAdvice(messageOf(error));
  return { section, name, state: "failed", text: what, advice };
}

/** Makes checks of one section. */
export function checksOf(section: string) {
  const make = (state: CheckState) => (name: string, text: string, advice?: string): Check => ({
    section,
    name,
    state,
    text,
    advice: advice ?? null,
  });
  return {
    ok: make("ok"),
    warning: make("warning"),
    failed: make("failed"),
    leftOut: make("left out"),
  };
}

/** What is to be done, each thing once: what failed before what is only bad or was not tried. */
export function recommendations(checks: readonly Check[]): string[] {
  const advice = (wanted: CheckState) =>
    checks.filter(({ state }) => state === wanted).flatMap((check) =>
      check.advice ??
        (wanted === "ok" || wanted === "left out" ? [] : `mend ${check.name}: ${check.text}`)
    );
  return [
    ...new Set([
      ...advice("failed"),
      ...advice("warning"),
      ...advice("left out"),
      ...advice("ok"),
    ]),
  ];
}

const MARKS: Record<CheckState, string> = {
  "ok": "ok      ",
  "warning": "warning ",
  "failed": "FAILED  ",
  "left out": "left out",
};

/** A line for a person, and one more where something is to be done. */
export function checkLines({ name, state, text, advice }: Check): string[] {
  const line = `  ${MARKS[state]}  ${name}: ${text}`;
  return advice === null || state === "ok" ? [line] : [line, `            ${advice}`];
}

/** The lines behind all checks. */
export function summaryLines(checks: readonly Check[]): string[] {
  const count = (wanted: CheckState) => checks.filter(({ state }) => state === wanted).length;
  const advice = recommendations(checks);
  return [
    "",
    "What to do",
    ...advice.length === 0 ? ["  nothing: all is well"] : advice.map((line) => `  - ${line}`),
    "",
    `${count("ok")} ok, ${count("warning")} warnings, ${count("failed")} failed, ` +
    `${count("left out")} left out`,
  ];
}
