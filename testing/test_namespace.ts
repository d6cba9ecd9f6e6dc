import { CommandError, MissingProgramError } from "../lib/host/command/command_error.ts";
import {
  type CommandOptions,
  type CommandResult,
  type CommandRunner,
  SystemRunner,
} from "../lib/host/command/runner.ts";
import { Namespace } from "../tests/netns/namespace.ts";

/** A network namespace as a host to configure: a runner whose commands work inside it. */
export class TestNamespace implements CommandRunner, AsyncDisposable {
  readonly #host = new SystemRunner();
  readonly #namespace: Namespace;

  private constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  static async create(label: string): Promise<TestNamespace> {
    return new TestNamespace(await Namespace.create(label));
  }

  get name(): string {
    return this.#namespace.name;
  }

  /** The inode that /proc/PID/ns/net of its processes shows. */
  async inode(): Promise<string> {
    return String((await Deno.stat(`/run/netns/${this.name}`)).ino);
  }

  async run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    const result = await this.#host.run(["ip", "netns", "exec", this.name, ...argv], options);
    if (result.code !== 0 && result.stderr.startsWith(`exec of "${argv[0]}" failed`)) {
      throw new MissingProgramError(argv[0] ?? "");
    }
    return result;
  }

  /** Runs lines of words, one command each. Throws CommandError at the first that fails. */
  async sh(lines: string): Promise<string> {
    let stdout = "";
    for (const line of lines.split("\n").map((text) => text.trim()).filter((text) => text !== "")) {
      const argv = line.split(/ +/);
      const result = await this.run(argv);
      if (result.code !== 0) throw new CommandError(argv, result.code, result.stderr);
      stdout += result.stdout;
    }
    return stdout;
  }

  /** Adds an Ethernet link that is up, its far end in the same namespace, and gives it addresses. */
  async addLink(name: string, ...addresses: string[]): Promise<void> {
    await this.sh(`
      ip link add ${name} type veth peer name ${name}-far
      ip link set dev ${name} up
      ip link set dev ${name}-far up
    `);
    for (const address of addresses) await this.sh(`ip address add ${address} dev ${name}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#namespace[Symbol.asyncDispose]();
  }
}
