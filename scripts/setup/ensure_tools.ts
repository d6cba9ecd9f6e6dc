import { missingTools, packagesFor, type Tool, withSystemFolders } from "./packages.ts";

/** What ensureTools() does to the machine, so that tests can watch it. */
export interface Machine {
  uid: number | null;
  path: string;
  /** Tells a person what happens. */
  say(line: string): void;
  isMissing(tools: readonly Tool[]): Tool[];
  has(program: string): boolean;
  /** Runs a command with its output on stderr; returns whether it succeeded within the limit. */
  run(command: readonly string[], limitMs: number): Promise<boolean>;
}

export class MissingToolsError extends Error {
  override name = "MissingToolsError";
}

const UPDATE_LIMIT_MS = 90_000;
const INSTALL_LIMIT_MS = 180_000;
const KILL_AFTER_MS = 10_000;
const ATTEMPTS = 2;
/** apt's own limits: without them a mirror that is silent holds the machine for minutes. */
const APT_GET = [
  "apt-get",
  "-q",
  "-o",
  "Acquire::http::Timeout=20",
  "-o",
  "Acquire::https::Timeout=20",
  "-o",
  "Acquire::Retries=1",
  "-o",
  "DPkg::Lock::Timeout=60",
];

/**
 * Makes sure that the programs `tools` are installed: with `"install"` by apt-get as root, with
 * `"print only"` not at all. Throws MissingToolsError, whose message holds the command to run.
 */
export async function ensureTools(
  tools: readonly Tool[],
  policy: "install" | "print only",
  machine: Machine = thisMachine(),
): Promise<void> {
  const missing = machine.isMissing(tools);
  if (missing.length === 0) return;
  const packages = packagesFor(missing);
  const advice = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (!machine.has("apt-get")) {
    throw new MissingToolsError(`${missing.join(", ")} missing: install ${packages.join(", ")}`);
  }
  if (policy === "print only") {
    throw new MissingToolsError(`${missing.join(", ")} missing, run: sudo ${advice}`);
  }
  if (machine.uid !== 0) {
    throw new MissingToolsError(`${missing.join(", ")} missing and not root, run: sudo ${advice}`);
  }
  machine.say(`installing ${packages.join(", ")} for ${missing.join(", ")}`);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    // An update that fails in part can still leave lists to install from.
    await machine.run([...APT_GET, "update"], UPDATE_LIMIT_MS);
    const install = [...APT_GET, "install", "-y", "--no-install-recommends", ...packages];
    const installed = await machine.run(install, INSTALL_LIMIT_MS);
    if (installed && machine.isMissing(tools).length === 0) return;
    if (attempt < ATTEMPTS) machine.say("installing failed, trying once more");
  }
  const still = machine.isMissing(tools);
  if (still.length === 0) return;
  throw new MissingToolsError(`Cannot install ${still.join(", ")}, run: sudo ${advice}`);
}

/** The machine this runs on; reads PATH. */
export function thisMachine(): Machine {
  const path = withSystemFolders(Deno.env.get("PATH") ?? "");
  return {
    uid: Deno.uid(),
    path,
    say: (line) => console.error(line),
    isMissing: (tools) => missingTools(tools, path),
    has: (program) => missingTools([program as Tool], path).length === 0,
    run: (command, limitMs) => runWithin(command, path, limitMs),
  };
}

async function runWithin(
  command: readonly string[],
  path: string,
  limitMs: number,
): Promise<boolean> {
  // Its output is for people, on stderr: stdout belongs to the caller's own result.
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$@" >&2', "sh", ...command],
    env: { DEBIAN_FRONTEND: "noninteractive", PATH: path },
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  const signal = (name: Deno.Signal) => {
    try {
      child.kill(name);
    } catch {
      // It ended at the same moment.
    }
  };
  const limits = [
    setTimeout(() => signal("SIGTERM"), limitMs),
    setTimeout(() => signal("SIGKILL"), limitMs + KILL_AFTER_MS),
  ];
  try {
    return (await child.status).success;
  } finally {
    limits.forEach(clearTimeout);
  }
}
