/**
 * `fluxify-client up`: starts the client with the saved settings, by systemd where its unit is
 * installed and the settings are the machine's, else in the background, and waits until it is up.
 */
import { BUILD_VARIABLE, parseBuildInfo } from "../../lib/cli/build_info.ts";
import { calledAs, inWordsOfCaller } from "../../lib/cli/called_as.ts";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE, exitCodeFor, failureText } from "../../lib/cli/exit.ts";
import { writeTo } from "../../lib/cli/output.ts";
import { inspectHost, refuseObstacle } from "../../lib/cli/preflight.ts";
import type { InvokingUser } from "../../lib/cli/user_home.ts";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import { hasUnit, startUnit, unitName, whyUnitEnded } from "../../lib/host/service/systemd_unit.ts";
import { CLIENT_PROGRAM } from "../config/options.ts";
import type { ServiceCommand } from "../config/service_options.ts";
import type { ClientStatus } from "../local_socket/client_socket.ts";
import { readOwnCommand } from "../../lib/cli/own_command.ts";
import { savedStart, systemSettingsPath } from "./saved_start.ts";
import { lookAtClient, type Outcome, waitForClient } from "./wait_for_client.ts";

/** So long it is waited for; it goes on by itself. */
const UP_MS = 30_000;
const STARTED_BY_OTHERS = "it was being started already";
/** Of what a program that ended has said, only the end is of interest. */
const SAID_MAX = 4096;

/** Returns the exit code: 0 only when the client is up. */
export async function bringUp(
  user: InvokingUser,
  command: Pick<ServiceCommand, "instance" | "file" | "flags">,
): Promise<number> {
  const say = (line: string) => writeTo(Deno.stdout, `${line}\n`);
  try {
    const runner = new SystemRunner();
    const unit = unitName(CLIENT_PROGRAM, command.instance);
    const isService = command.file === null && await hasUnit(runner, unit);
    const saved = await savedStart(user, command, isService ? "the machine's" : "the user's own");
    for (const line of saved.notices) writeTo(Deno.stderr, `${CLIENT_PROGRAM}: ${line}\n`);
    const { start } = saved;
    if (start.command === "print") {
      writeTo(Deno.stderr, start.text);
      return EXIT_USAGE;
    }
    if (start.command !== "bond" && start.command !== "balance") return EXIT_USAGE;
    const { instance } = start.options;
    const before = await lookAtClient(instance);
    if (before.state === "up") {
      say(`it runs already: ${describe(before.status)}`);
      return EXIT_OK;
    }
    const host = inspectHost();
    refuseObstacle(start.command === "bond" ? host : { ...host, tunDevice: "present" });
    const isUnit = isService && saved.path === systemSettingsPath(command.instance);
    const begun = before.state === "connecting"
      ? { end: () => Promise.resolve(null), how: STARTED_BY_OTHERS, processId: null }
      : isUnit
      ? await startService(runner, unit)
      : startInBackground(saved.path, command);
    const outcome = await waitForClient({
      look: () => lookAtClient(instance),
      end: begun.end,
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      nowMs: () => performance.now(),
    }, UP_MS);
    return tell(outcome, await isOurs(outcome, begun) ? begun.how : STARTED_BY_OTHERS);
  } catch (error) {
    writeTo(Deno.stderr, failureText(CLIENT_PROGRAM, error, "one line"));
    return exitCodeFor(error);
  }
}

interface Begun {
  /** Why it has ended, or null while it has not. */
  readonly end: () => Promise<string | null>;
  /** How it was started, for people. */
  readonly how: string;
  /** Null: the service manager knows. */
  readonly processId: number | null;
}

/** Of two that start it at once only one has its way; the other one waits for that. */
async function isOurs(outcome: Outcome, { end, processId }: Begun): Promise<boolean> {
  if (outcome.state !== "up") return true;
  return processId === null ? await end() === null : processId === outcome.status.processId;
}

async function startService(runner: SystemRunner, unit: string): Promise<Begun> {
  const how = `as ${unit}`;
  const problem = await startUnit(runner, unit, "in the background");
  return {
    how,
    processId: null,
    end: async () => await whyUnitEnded(runner, unit) ?? problem,
  };
}

/** A session of its own, so that it outlives this terminal. What it says is read until it is up. */
function startInBackground(
  path: string,
  { instance, flags }: Pick<ServiceCommand, "instance" | "flags">,
): Begun {
  const { form } = parseBuildInfo(Deno.env.get(BUILD_VARIABLE), () => null);
  const own = readOwnCommand(form);
  const name = instance === null ? [] : ["-name", instance];
  const child = new Deno.Command(own.path, {
    args: [...own.args, "run", ...name, "-settings", path, ...flags],
    env: { ...own.env },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    detached: true,
  }).spawn();
  child.unref();
  let said = "";
  const read = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said = (said + text).slice(-SAID_MAX);
    }
  })().catch(() => {});
  let ended = false;
  const end = child.status.then(async () => {
    await read;
    ended = true;
  });
  return {
    how: `in the background, process ${child.pid}, with ${path}`,
    processId: child.pid,
    end: async () => {
      await Promise.race([end, Promise.resolve()]);
      return ended ? lastWords(said) : null;
    },
  };
}

/** The line the program ended with, without its name. */
function lastWords(said: string): string {
  const lines = said.split("\n").filter((line) => line !== "");
  const last = lines.findLast((line) => line.startsWith(`${CLIENT_PROGRAM}: `)) ?? lines.at(-1);
  return last?.replace(`${CLIENT_PROGRAM}: `, "") ?? "it has ended without a word";
}

function tell(outcome: Outcome, how: string): number {
  const word = calledAs(CLIENT_PROGRAM);
  switch (outcome.state) {
    case "up":
      writeTo(Deno.stdout, `up, ${how}: ${describe(outcome.status)}\n`);
      return EXIT_OK;
    case "ended":
      writeTo(Deno.stderr, `${CLIENT_PROGRAM}: it did not start: ${outcome.why}\n`);
      return EXIT_FAILURE;
    case "still connecting": {
      const advice = "it goes on trying; 'fluxify-client logs' says how far it is, and " +
        "'fluxify-client down' ends it";
      writeTo(
        Deno.stderr,
        `${CLIENT_PROGRAM}: not up after ${UP_MS / 1000} s (${
          outcome.why ?? "no reason known"
        }): ` +
          `${inWordsOfCaller(advice, CLIENT_PROGRAM, word)}\n`,
      );
      return EXIT_FAILURE;
    }
    default:
      return outcome satisfies never;
  }
}

function describe(status: ClientStatus): string {
  if (status.mode === "load-balance") {
    return `connections over ${status.balance.uplinks.map(({ name }) => name).join(", ")}`;
  }
  const { addresses, server, session } = status.bond;
  const up = session?.paths.filter(({ state }) => state === "up").map(({ name }) => name) ?? [];
  return `${addresses} over ${up.join(", ") || "no link at the moment"} to ${server}`;
}
