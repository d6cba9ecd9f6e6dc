/** A machine of Debian with systemd: a tree of debootstrap, booted in a network namespace of a lab. */
import { join } from "node:path";
import type { Namespace } from "../../tests/netns/namespace.ts";

/** What a small machine has, and the package depends on, so that installing it asks no mirror. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "iproute2", "nftables", "iptables", "iputils-ping"],
  ...["adduser", "openssl", "libssl3", "procps", "util-linux", "libzstd1", "libdeflate0", "kmod"],
];
const BOOT_MS = 60_000;
const STEP_MS = 300_000;
const LOOK_MS = 100;
const SAID_MAX = 2000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

interface Result {
  readonly code: number;
  /** Both streams. */
  readonly text: string;
}

/** Runs a command of this machine to its end. */
export async function runHere(argv: readonly string[], limitMs = STEP_MS): Promise<Result> {
  const [command = "", ...args] = argv;
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { LC_ALL: "C.UTF-8" },
    signal: AbortSignal.timeout(limitMs),
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, text: decode(stdout) + decode(stderr) };
}

/** @throws Error with what the command said. */
export async function mustRun(argv: readonly string[]): Promise<string> {
  const { code, text } = await runHere(argv);
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}: ${text.slice(-2000)}`);
  return text;
}

/** Makes the tree that machines are copies of, unless it is there. */
export async function makeTree(folder: string, suite: string, mirror: string): Promise<void> {
  if (await Deno.stat(join(folder, "made")).catch(() => null) !== null) return;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  const include = `--include=${PACKAGES.join(",")}`;
  await mustRun(["debootstrap", "--variant=minbase", include, suite, join(folder, "root"), mirror]);
  await Deno.writeTextFile(join(folder, "made"), `${suite}\n`);
}

/** It is not waited for. */
class Ended extends Error {}

export class Machine implements AsyncDisposable {
  #boot: Deno.ChildProcess | null = null;
  #leader = 0;

  private constructor(
    readonly name: string,
    readonly root: string,
    readonly namespace: Namespace,
  ) {}

  static async create(tree: string, folder: string, name: string, namespace: Namespace) {
    const root = join(folder, name);
    await mustRun(["cp", "-a", join(tree, "root"), root]);
    await Deno.writeTextFile(join(root, "etc/hostname"), `${name}\n`);
    return new Machine(name, root, namespace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#boot !== null) await this.shutDown();
  }

  /** Runs a command in the tree while it is not booted. */
  runIn(...argv: string[]): Promise<Result> {
    return runHere([...this.#nspawn(), "--pipe", ...argv]);
  }

  /** Starts the machine, and returns when its systemd has started what it is to start. */
  async boot(): Promise<void> {
    const [command = "", ...args] = this.#nspawn();
    const network = `--network-namespace-path=/run/netns/${this.namespace.name}`;
    const boot = this.#boot = new Deno.Command(command, {
      args: [...args, "--boot", "--console=pipe", network, "--bind=/dev/net/tun"],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let said = "";
    boot.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
      new WritableStream({ write: (text) => void (said = (said + text).slice(-SAID_MAX)) }),
    ).catch(() => {});
    let isOver = false;
    boot.status.then(() => isOver = true);
    await until(`${this.name} is up`, async () => {
      if (isOver) throw new Ended(`${this.name} has ended: ${said}`);
      // Its first child is one that only makes the second, which is the machine's systemd.
      const path = `/proc/${boot.pid}/task/${boot.pid}/children`;
      this.#leader = Number((await Deno.readTextFile(path)).trim().split(" ").at(-1));
      const { text } = await this.run("systemctl", "is-system-running");
      return /^(running|degraded)/.test(text) ? text : null;
    });
  }

  async shutDown(): Promise<void> {
    const boot = this.#boot!;
    await this.run("systemctl", "poweroff");
    const late = setTimeout(() => boot.kill("SIGKILL"), BOOT_MS);
    await boot.status;
    clearTimeout(late);
    this.#boot = null;
  }

  async reboot(): Promise<void> {
    await this.shutDown();
    await this.boot();
  }

  /** The words in front of a command that runs on the machine. */
  get within(): string[] {
    const enter = ["nsenter", "-t", String(this.#leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r"];
    return [...enter, "env", "-i", `PATH=${PATH}`, "HOME=/root", "TERM=xterm", "LC_ALL=C.UTF-8"];
  }

  /** As /proc shows it of each process of the machine. */
  get pidNamespace(): string {
    return Deno.readLinkSync(`/proc/${this.#leader}/ns/pid`);
  }

  run(...argv: string[]): Promise<Result> {
    return runHere([...this.within, ...argv]);
  }

  async must(...argv: string[]): Promise<string> {
    return await mustRun([...this.within, ...argv]);
  }

  #nspawn(): string[] {
    const own = ["--register=no", "--keep-unit", "--quiet", `--machine=${this.name}`];
    return ["systemd-nspawn", ...own, "--capability=CAP_NET_ADMIN", "-D", this.root];
  }
}

/** Looks until `look` has a value. @throws Error after a minute. */
export async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + BOOT_MS;
  for (;;) {
    const found = await look().catch((error) => {
      if (error instanceof Ended) throw error;
      return null;
    });
    if (found !== null) return found;
    if (performance.now() > deadline) throw new Error(`waited in vain for this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
