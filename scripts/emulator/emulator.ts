/** The link emulator as its user sees it: started in a namespace, steered, and ended with it. */

import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { Child, Namespace } from "../../tests/netns/namespace.ts";
import {
  type ConfigurationInput,
  type Direction,
  type Reply,
  type Statistics,
  tapNames,
} from "./control.ts";
import type { DirectionSettings } from "./link_model.ts";

const START_TIMEOUT_MS = 20_000;
const REPLY_TIMEOUT_MS = 5_000;

export class Emulator implements AsyncDisposable {
  #namespace: Namespace;
  #child: Child;
  readonly #queue = new SerialQueue();

  private constructor(namespace: Namespace, child: Child) {
    this.#namespace = namespace;
    this.#child = child;
  }

  /** Starts the emulator; its devices are in a namespace of its own until `place` moves them. */
  static async start(configuration: ConfigurationInput): Promise<Emulator> {
    const namespace = await Namespace.create("emulator");
    try {
      const main = new URL("main.ts", import.meta.url).pathname;
      const child = namespace.spawn(
        [Deno.execPath(), "run", "-A", main, JSON.stringify(configuration)],
        { stdin: "piped" },
      );
      await child.waitForLine(/"ready"/, START_TIMEOUT_MS);
      return new Emulator(namespace, child);
    } catch (error) {
      await namespace[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Moves the two ends of a link into their namespaces, under the names they shall have there. */
  async place(
    link: string,
    a: { namespace: Namespace; name: string },
    b: { namespace: Namespace; name: string },
  ): Promise<void> {
    const taps = tapNames(link);
    for (const [tap, end] of [[taps.a, a], [taps.b, b]] as const) {
      await this.#namespace.run(
        ...["ip", "link", "set", tap, "netns", end.namespace.name, "name", end.name],
      );
    }
  }

  /** Changes settings while the link works; returns when they are in force. */
  async change(
    link: string,
    settings: Partial<DirectionSettings>,
    direction: Direction = "both",
  ): Promise<void> {
    await this.#request({ link, direction, ...settings });
  }

  async statistics(): Promise<Statistics> {
    const reply = await this.#request({ statistics: true });
    if (!("statistics" in reply)) throw new Error("The link emulator sent no statistics");
    return reply.statistics;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.closeStdin();
    await this.#namespace[Symbol.asyncDispose]();
  }

  // Requests take turns, so that each reply is the next line.
  #request(request: object): Promise<Reply> {
    return this.#queue.run(async () => {
      const from = this.#child.lineCount;
      const line = this.#child.waitForLine(/^\{.*\}$/, REPLY_TIMEOUT_MS, from);
      await this.#child.write(JSON.stringify(request) + "\n");
      const reply = JSON.parse((await line)[0]) as Reply;
      if ("error" in reply) throw new Error(reply.error);
      return reply;
    });
  }
}
