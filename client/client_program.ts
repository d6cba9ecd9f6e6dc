/** `fluxify-client`: the program, and the thread of its data plane. Loaded by main.ts. */
import { endProcess } from "../lib/cli/end_process.ts";
import { writeTo } from "../lib/cli/output.ts";
import { runProgram } from "../lib/cli/run_program.ts";
import { readInvokingUser } from "../lib/cli/user_home.ts";
import { isNativeWorker, runNativeWorker } from "../lib/net/native/worker.ts";
import { balance } from "./balance/balance.ts";
import { bond } from "./bonding/bond.ts";
import { CLIENT_PROGRAM, parseClientOptions } from "./config/options.ts";
import { restore } from "./restore.ts";

/** Runs the program, or in its worker the data plane. */
export async function run(): Promise<void> {
  if (isNativeWorker()) runNativeWorker();
  else endProcess(await main());
}

async function main(): Promise<number> {
  const parsed = parseClientOptions(Deno.args, readInvokingUser().home);
  switch (parsed.command) {
    case "bond":
      return await runProgram(CLIENT_PROGRAM, parsed.options, async (signal) => {
        if (!parsed.options.ui) return await bond(parsed.options, signal);
        const { showBonding } = await import("./screen/show.ts");
        await showBonding(parsed.options, signal);
      });
    case "balance":
      return await runProgram(CLIENT_PROGRAM, parsed.options, async (signal) => {
        if (!parsed.options.ui) return await balance(parsed.options, signal);
        const { showBalance } = await import("./screen/show.ts");
        await showBalance(parsed.options, signal);
      });
    case "restore":
      return await runProgram(CLIENT_PROGRAM, parsed.options, async () => {
        await restore((line) => writeTo(Deno.stdout, `${line}\n`));
      });
    case "print":
      writeTo(parsed.exitCode === 0 ? Deno.stdout : Deno.stderr, parsed.text);
      return parsed.exitCode;
    default:
      return parsed satisfies never;
  }
}
