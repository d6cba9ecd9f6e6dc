/** `fluxify-client diag`: the report on standard output, and in a file where one was named. */
import { EXIT_FAILURE, EXIT_OK } from "../../lib/cli/exit.ts";
import { writeTo } from "../../lib/cli/output.ts";
import type { InvokingUser } from "../../lib/cli/user_home.ts";
import type { DiagOptions } from "../config/diag_options.ts";
import type { Check } from "./check.ts";
import { diagnose, diagnosisJson, diagnosisLines, saveReport, withContents } from "./diagnosis.ts";

/** The exit code is 1 when a check failed. */
export async function runDiag(user: InvokingUser, options: DiagOptions): Promise<number> {
  let worst: number = EXIT_OK;
  async function* watched(): AsyncGenerator<Check> {
    for await (const check of diagnose(user, options.settings, options.load)) {
      if (check.state === "failed") worst = EXIT_FAILURE;
      yield check;
    }
  }
  const written: string[] = [];
  const write = (line: string) => {
    written.push(line);
    writeTo(Deno.stdout, `${line}\n`);
  };
  if (options.format === "json") write(await diagnosisJson(watched()));
  else for await (const line of diagnosisLines(watched())) write(line);
  const { outputFile } = options;
  if (outputFile !== null) {
    await saveReport(outputFile, user, options.format === "json" ? written : withContents(written));
    writeTo(Deno.stderr, `saved in ${outputFile}\n`);
  }
  return worst;
}
