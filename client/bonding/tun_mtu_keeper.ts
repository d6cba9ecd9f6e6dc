/**
 * The MTU of the TUN device while the client runs: what its paths carry at the time. They are found
 * to carry less, or more, as they are probed and as links come and go.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { type CommandRunner, runChecked } from "../../lib/host/command/runner.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import type { EngineEvent } from "../../lib/net/engine.ts";
import type { LinkSet } from "./link_set.ts";
import { decideTunMtu, TUN_MTU_DEFAULT, type TunMtuDecision } from "./tun_mtu.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

interface TunMtuKeeperOptions {
  readonly runner: CommandRunner;
  readonly tun: string;
  readonly links: Pick<LinkSet, "outerMtus">;
  /** What the user prescribed, or null. */
  readonly prescribed: number | null;
  /** Whether what is too large for a path is refused rather than sent in fragments. */
  readonly forbidsFragments: boolean;
}

export class TunMtuKeeper {
  readonly #options: TunMtuKeeperOptions;
  /** By path, the largest packet that was found to arrive, and the MTU of the interface then. */
  readonly #found = new Map<number, { mtu: number; interfaceMtu: number }>();
  /** Paths that do not work, until they do again. */
  readonly #down = new Set<number>();
  #server: number | null = null;
  #decision: TunMtuDecision | null = null;
  /** Changes are made one after the other. */
  readonly #queue = new SerialQueue();

  constructor(options: TunMtuKeeperOptions) {
    this.#options = options;
  }

  /** The size to probe for: what the tunnel would have if every path carried it. */
  get wanted(): number {
    return this.#options.prescribed ??
      Math.min(TUN_MTU_DEFAULT, this.#server ?? TUN_MTU_DEFAULT);
  }

  /** What the device has, or is about to have. */
  get current(): number {
    return (this.#decision ?? this.#decide()).mtu;
  }

  /** A session begins whose server's TUN device has the MTU `server`: decides anew. */
  begin(server: number | null): void {
    this.#server = server;
    if (this.#decision === null) this.#decide();
    else this.follow();
  }

  /** A path has been probed. */
  noteFound({ path, mtu }: Pick<EngineEvent & { kind: "path MTU" }, "path" | "mtu">): void {
    const interfaceMtu = this.#options.links.outerMtus().find(({ id }) => id === path)
      ?.interfaceMtu;
    this.#found.set(path, { mtu, interfaceMtu: interfaceMtu ?? Infinity });
    this.follow();
  }

  /** A path works, or does not any more: the narrowest of those that do decides. */
  notePath({ path, state }: Pick<EngineEvent & { kind: "path changed" }, "path" | "state">): void {
    if (state === "down") this.#down.add(path);
    else if (state === "up") this.#down.delete(path);
    this.follow();
  }

  /** What is known of the paths has changed: the device follows. */
  follow(): void {
    const before = this.#decision;
    if (before === null) return;
    const { mtu } = this.#decide();
    if (mtu === before.mtu) return;
    const { runner, tun } = this.#options;
    this.#queue.run(() => runChecked(runner, ["ip", "link", "set", "dev", tun, "mtu", String(mtu)]))
      .catch((error) => log.warn("cannot set the MTU of {tun}: {error}", { tun, error }));
  }

  /** Resolves when no change is under way. */
  async settled(): Promise<void> {
    await this.#queue.idle();
  }

  #decide(): TunMtuDecision {
    const { links, prescribed, forbidsFragments } = this.#options;
    const all = links.outerMtus();
    const working = all.filter(({ id }) => !this.#down.has(id));
    // While none works, what was right for them is as good a guess as any.
    const inUse = working.length > 0 ? working : all;
    const paths = inUse.map(({ id, link, interfaceMtu, family }) => ({
      ...{ link, interfaceMtu, family },
      found: this.#foundOn(id, interfaceMtu),
    }));
    const server = this.#server;
    const facts = { prescribed, server, ipv6Inside: true, forbidsFragments, paths };
    this.#decision = decideTunMtu(facts, this.#decision);
    const { notice, isWarning } = this.#decision;
    if (notice !== null) log[isWarning ? "warn" : "info"]("{notice}", { notice });
    return this.#decision;
  }

  /** An interface that takes more than when its path was probed is probed anew. */
  #foundOn(path: number, interfaceMtu: number): number | null {
    const found = this.#found.get(path);
    return found === undefined || interfaceMtu > found.interfaceMtu ? null : found.mtu;
  }
}
