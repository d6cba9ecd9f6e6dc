/**
 * Network namespaces for tests, the demo and the benchmarks: everything a test sends stays inside
 * the namespaces it made, and they are gone when it ends, however it ends. Two of them become a
 * network with `connect`:
 *
 *     await using client = await Namespace.create("client");
 *     await using server = await Namespace.create("server");
 *     await connect(client, server, {
 *       a: { name: "fiber", addresses: ["10.1.0.1/24"] },
 *       b: { name: "fiber", addresses: ["10.1.0.2/24"] },
 *     });
 *     await client.run("ping", "-c1", "10.1.0.2");
 *
 * Names are `fx<pid>-<label>`, so programs that run at the same time do not meet, and one that was
 * killed leaves names by which the next one recognizes and removes what it left.
 */

import { Child, type SpawnOptions } from "./child.ts";
import { isAlive, registerCleanup } from "./cleanup.ts";

export { Child, type SpawnOptions } from "./child.ts";
export { isAlive, registerCleanup } from "./cleanup.ts";
export { connect } from "./veth.ts";

const RUN_TIMEOUT_MS = 15_000;
const NAMES_PER_LABEL = 100;
const NAME_PATTERN = /^fx(\d+)-\S+/;

interface RunOptions extends Omit<SpawnOptions, "stdin"> {
  /** After this the command is killed and the call fails. */
  timeoutMs?: number;
  /** What the command reads on its standard input. */
  input?: string;
}

export interface Output {
  stdout: string;
  stderr: string;
}

/** For tests that need root: `Deno.test({ name: "netns: ...", ...needsRoot(), fn })`. */
export function needsRoot(): { ignore: boolean } {
  return { ignore: Deno.uid() !== 0 };
}

export class Namespace implements AsyncDisposable {
  readonly name: string;
  #children = new Set<Child>();
  #cleanup: Disposable;

  private constructor(name: string) {
    this.name = name;
    this.#cleanup = registerCleanup(() => this.#removeNow());
  }

  /**
   * A new namespace with its loopback up, IPv6 addresses usable at once (no duplicate address
   * detection). If this process has one with that label already, the name gets a number.
   */
  static async create(label: string): Promise<Namespace> {
    if (Deno.uid() !== 0) {
      throw new Error("Cannot create a network namespace without root; run it with sudo");
    }
    await removeLeftovers();
    const name = await addNamespace(`fx${Deno.pid}-${label}`);
    const namespace = new Namespace(name);
    try {
      await namespace.run("ip", "link", "set", "lo", "up");
      await namespace.sysctl("net.ipv6.conf.all.accept_dad", 0);
      await namespace.sysctl("net.ipv6.conf.default.accept_dad", 0);
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw error;
    }
    return namespace;
  }

  /** Runs a command to its end. Throws, with its output, when it fails or takes over 15 s. */
  run(...argv: string[]): Promise<Output> {
    return this.runWith({}, ...argv);
  }

  runWith(options: RunOptions, ...argv: string[]): Promise<Output> {
    return runCommand(this.#command(argv), options, this.#children);
  }

  /** Starts a command that runs on; it is killed with the namespace at the latest. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): Child {
    const child = new Child(this.#command(argv), options);
    track(child, this.#children);
    return child;
  }

  /** Sets a kernel parameter of this namespace, e.g. `sysctl("net.ipv4.ip_forward", 1)`. */
  async sysctl(key: string, value: string | number): Promise<void> {
    const path = `/proc/sys/${key.replaceAll(".", "/")}`;
    await this.run("sh", "-c", 'printf %s "$1" > "$2"', "sh", String(value), path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.signal("SIGKILL");
    await Promise.all([...this.#children].map((child) => child.ended));
    this.#removeNow();
    this.#cleanup[Symbol.dispose]();
  }

  // `ip netns exec` replaces itself by the command, so the child's pid is the command's.
  #command(argv: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.name, ...argv];
  }

  #removeNow(): void {
    for (const child of this.#children) child.signal("SIGKILL");
    removeNamespace(this.name);
  }
}

/** Runs a command outside of any namespace; throws, with its output, when it fails. */
export function run(...argv: string[]): Promise<Output> {
  return runCommand(argv, {}, new Set());
}

async function runCommand(
  argv: string[],
  options: RunOptions,
  children: Set<Child>,
): Promise<Output> {
  const { timeoutMs = RUN_TIMEOUT_MS, input, ...spawnOptions } = options;
  const child = new Child(argv, { ...spawnOptions, stdin: input === undefined ? "null" : "piped" });
  track(child, children);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.signal("SIGKILL");
  }, timeoutMs);
  if (input !== undefined) {
    await child.write(input).catch(() => {}); // a command may end without reading all of it
    await child.closeStdin();
  }
  const status = await child.ended;
  clearTimeout(timer);
  if (!status.success) {
    const why = timedOut ? `took over ${timeoutMs} ms` : `ended with code ${status.code}`;
    throw new Error(`"${argv.join(" ")}" ${why}\n${child.tail()}`);
  }
  return { stdout: child.output("stdout"), stderr: child.output("stderr") };
}

function track(child: Child, children: Set<Child>): void {
  children.add(child);
  const forget = () => children.delete(child);
  child.ended.then(forget, forget);
}

// Test files that run in parallel share the process id, hence the numbers.
async function addNamespace(wanted: string): Promise<string> {
  for (let number = 1; number <= NAMES_PER_LABEL; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    try {
      await run("ip", "netns", "add", name);
      return name;
    } catch (error) {
      if (!String(error).includes("File exists")) throw error;
    }
  }
  throw new Error(`Cannot create a namespace ${wanted}: ${NAMES_PER_LABEL} of that name exist`);
}

// Synchronous, because a signal handler has no later. Inside a namespace that bears our process id
// every process is ours, so those its children started are found and ended here too.
function removeNamespace(name: string): void {
  for (const pid of outputNow("ip", "netns", "pids", name).split("\n")) {
    if (Number(pid) > 1) {
      try {
        Deno.kill(Number(pid), "SIGKILL");
      } catch {
        // It ended a moment ago.
      }
    }
  }
  outputNow("ip", "netns", "del", name);
}

let leftoversRemoved: Promise<void> | null = null;

/** Removes the namespaces of programs that are gone. Done once, by the first `Namespace.create`. */
function removeLeftovers(): Promise<void> {
  leftoversRemoved ??= removeNamespacesOfTheDead();
  return leftoversRemoved;
}

async function removeNamespacesOfTheDead(): Promise<void> {
  const { stdout } = await run("ip", "netns", "list");
  for (const line of stdout.split("\n")) {
    const [name, pid] = NAME_PATTERN.exec(line) ?? [];
    if (name !== undefined && pid !== undefined && !isAlive(Number(pid))) removeNamespace(name);
  }
}

function outputNow(program: string, ...args: string[]): string {
  const { stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout);
}
