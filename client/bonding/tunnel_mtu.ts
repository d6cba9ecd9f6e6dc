/**
 * The MTU of the TUN device while the client runs: what its paths carry at the time. They are found
 * to carry less, or more, as they are probed and as links come and go.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { type CommandRunner, runChecked } from "../../lib/net/command/runner.ts";
import type { EngineEvent } from "../../lib/net/engine/engine.ts";
import type { LinkSet } from "./link_set.ts";
import { decideTunMtu, TUN_MTU_DEFAULT, type TunMtuDecision } from "./tun_mtu.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

export interface TunnelMtuOptions {
  readonly runner: CommandRunner;
  readonly tun: string;
  readonly links: Pick<LinkSet, "outerMtus">;
  /** What the user prescribed, or null. */
  readonly prescribed: number | null;
}

export class TunnelMtu {
  readonly #options: TunnelMtuOptions;
  /** By path, the largest packet that was found to arrive. */
  readonly #found = new Map<number, number>();
  #server: number | null = null;
  #decision: TunMtuDecision | null = null;
  /** Changes are made one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: TunnelMtuOptions) {
    this.#options = options;
  }

  /** The size to probe for: what the tunnel would have if every path carried it. */
  get wanted(): number {
    return this.#options.prescribed ??
      Math.min(TUN_MTU_DEFAULT, this.#server ?? TUN_MTU_DEFAULT);
  }

  /** Decides anew for a session whose server's TUN device has the MTU `server`. */
  begin(server: number | null): number {
    this.#server = server;
    return this.#decide().mtu;
  }

  /** A path has been probed. */
  noteFound({ path, mtu }: EngineEvent & { kind: "path MTU" }): void {
    this.#found.set(path, mtu);
    this.follow();
  }

  /** What is known of the paths has changed: the device follows. */
  follow(): void {
    const before = this.#decision;
    if (before === null) return;
    const { mtu } = this.#decide();
    if (mtu === before.mtu) return;
    const { runner, tun } = this.#options;
    this.#turn = this.#turn
      .then(() => runChecked(runner, ["ip", "link", "set", "dev", tun, "mtu", String(mtu)]))
      .then(() => {}, (error) => log.warn("cannot set the MTU of {tun}: {error}", { tun, error }));
  }

  /** Resolves when no change is under way. */
  async settled(): Promise<void> {
    await this.#turn;
  }

  #decide(): TunMtuDecision {
    const { links, prescribed } = this.#options;
    const paths = links.outerMtus().map(({ id, link, interfaceMtu, family }) => ({
      ...{ link, interfaceMtu, family },
      found: this.#found.get(id) ?? null,
    }));
    const facts = { prescribed, server: this.#server, ipv6Inside: true, paths };
    this.#decision = decideTunMtu(facts, this.#decision);
    const { notice } = this.#decision;
    if (notice !== null) log.warn("{notice}", { notice });
    return this.#decision;
  }
}
