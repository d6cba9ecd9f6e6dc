import { deepEqual, equal, ok } from "node:assert/strict";
import { type FigureName, FIGURES } from "./figures.ts";
import { FULL, makePlan, QUICK, stepSeconds } from "./plan.ts";
import { SUBJECTS } from "./subject.ts";

const ALL: FigureName[] = FIGURES.map(({ name }) => name);
const kinds = (figures: FigureName[], effort = QUICK, subjects = SUBJECTS) =>
  makePlan(effort, subjects, figures).map(({ kind }) => kind);

Deno.test("subjects alternate run by run", () => {
  const subjects = makePlan(FULL, SUBJECTS, ALL)
    .flatMap((step) => step.kind === "tcp" ? [step.subject] : []);
  equal(subjects.length, 4 * SUBJECTS.length * FULL.rounds);
  subjects.forEach((subject, i) => equal(subject, SUBJECTS[i % SUBJECTS.length]));
});

Deno.test("only what the figures need is planned", () => {
  deepEqual(kinds(["idle_cpu_percent"]), ["warm up", "idle"]);
  deepEqual(kinds(["ping_added_ms"]), ["warm up", "ping", "ping", "ping"]);
  deepEqual(kinds(["udp_pps"]), ["warm up", "udp", "udp", "udp", "udp"]);
  deepEqual(kinds(["cpu_s_per_gb"], QUICK, ["fluxify"]), ["warm up", "tcp", "tcp"]);
  deepEqual(kinds(["rss_mib"], { ...FULL, rounds: 1 }, ["fluxify"]), [
    ...["warm up", "tcp", "tcp", "carry"],
  ]);
  deepEqual(kinds(["tcp8_up"], QUICK, ["raw"]), ["tcp"]);
  deepEqual(kinds(["ping_added_ms", "idle_cpu_percent"], QUICK, ["raw"]), []);
  deepEqual(kinds(ALL, QUICK, []), []);
});

Deno.test("a quick plan has time for each of Fluxify's figures before its deadline", () => {
  const startUpSeconds = 10;
  let seconds = startUpSeconds;
  for (const step of makePlan(QUICK, SUBJECTS, ALL)) {
    seconds += stepSeconds(step, QUICK);
    if ("subject" in step && step.subject === "fluxify") {
      ok(seconds < QUICK.deadlineMs! / 1000, `${step.kind} ends after ${seconds} s`);
    }
  }
});
