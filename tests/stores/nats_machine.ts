/** One nats-server on the loopback interface, configured as a test has it. */
import { join } from "node:path";
import { TemporaryDirectory } from "../../scripts/lab/temporary_directory.ts";
import type { NatsOptions } from "../../server/store/nats/nats_options.ts";
import { natsServer } from "../daemons/packages.ts";
import { Child } from "../netns/child.ts";

const START_TIMEOUT_MS = 30_000;
const PASSWORD = "a-word-that-no-log-may-have";
export const JETSTREAM = 'jetstream { store_dir: "DIRECTORY/data" }';
export const PLAIN_USER = "authorization { user: fluxify, password: PASSWORD }";

export class NatsMachine implements AsyncDisposable {
  /** How a server of ours gets there. */
  readonly options: NatsOptions;
  readonly #stack: AsyncDisposableStack;

  private constructor(options: NatsOptions, stack: AsyncDisposableStack) {
    this.options = options;
    this.#stack = stack;
  }

  /** @param config DIRECTORY stands for a folder of its own, PASSWORD for that of the user `fluxify`. */
  static async start(...config: string[]): Promise<NatsMachine> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await TemporaryDirectory.create("nats"));
    const file = join(path, "nats.conf");
    const text = ['listen: "127.0.0.1:-1"', ...config].join("\n")
      .replaceAll("DIRECTORY", path).replaceAll("PASSWORD", JSON.stringify(PASSWORD));
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    const credentials = join(path, "credentials");
    await Deno.writeTextFile(credentials, `fluxify:${PASSWORD}\n`, { mode: 0o600 });
    const child = stack.adopt(
      new Child([await natsServer(), "-c", file]),
      (child) => child.stop().then(() => {}),
    );
    const [, port] = await child.waitForLine(
      /client connections on 127\.0\.0\.1:(\d+)/,
      START_TIMEOUT_MS,
    );
    await child.waitForLine(/Server is ready/, START_TIMEOUT_MS);
    const machines = [{ host: "127.0.0.1", port: Number(port) }];
    const files = { credentials, ca: null, certificate: null, key: null };
    return new NatsMachine({ machines, transport: "any", ...files }, stack.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
