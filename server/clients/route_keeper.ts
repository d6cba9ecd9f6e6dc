/**
 * Leads to the networks behind clients: the machine's routes into the tunnel, and connections that are
 * opened from this side. A prefix that is in use elsewhere on the machine is left out, so that no
 * client can speak for the machine's own networks, and so is what no network has, such as multicast.
 * What stays out, is said once.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { prefixesOverlap } from "../../lib/host/links/address.ts";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { findOverlaps } from "../../lib/host/links/network_overlap.ts";
import type { TunnelPrefixes } from "../../lib/host/routes/tunnel_prefixes.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import type { SettingsStore } from "./settings_store.ts";
import { reservedIn } from "./settings_text.ts";

interface RouteKeeperParts {
  readonly store: Pick<SettingsStore, "list">;
  readonly tun: string;
  /** Those inside the tunnel. */
  readonly networks: readonly string[];
  readonly interfaces: () => Promise<readonly NetworkInterface[]>;
  /** Makes these the machine's routes into the tunnel. */
  readonly routes: Pick<TunnelPrefixes, "follow" | "elsewhere">;
  /** Lets connections to these be opened from this side. */
  readonly permit: (prefixes: readonly string[]) => Promise<readonly string[]>;
  /** Takes the prefixes whose clients may use them. */
  readonly use: (prefixes: ReadonlySet<string>) => void;
  readonly warn: (line: string) => void;
}

export class RouteKeeper {
  readonly #parts: RouteKeeperParts;
  readonly #queue = new SerialQueue();
  /** Looks at the settings and the machine; to be called when they change, and now and then. Never rejects. */
  readonly look = this.#queue.shared(() => this.#look());
  #permitted = "";
  #said: ReadonlySet<string> = new Set();

  constructor(parts: RouteKeeperParts) {
    this.#parts = parts;
  }

  /** Resolves when no look is under way. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async #look(): Promise<void> {
    const lines: string[] = [];
    try {
      await this.#follow(lines);
    } catch (error) {
      lines.push(`cannot follow the routes to networks behind clients: ${messageOf(error)}`);
    }
    for (const line of lines) if (!this.#said.has(line)) this.#parts.warn(line);
    this.#said = new Set(lines);
  }

  async #follow(lines: string[]): Promise<void> {
    const { store, tun, networks, interfaces, routes, permit, use } = this.#parts;
    const wanted = [...store.list()].flatMap(([name, { routes }]) =>
      routes.map((prefix) => ({ name, prefix }))
    );
    // Nothing to do, and nothing was done before.
    if (wanted.length === 0 && this.#permitted === "") return;
    const free: string[] = [];
    const own = wanted.length === 0 ? [] : await interfaces();
    for (const { name, prefix } of wanted) {
      const inside = networks.find((network) => prefixesOverlap(network, prefix));
      const [overlap] = findOverlaps(own, tun, [prefix]);
      const reserved = reservedIn(prefix) ?? undefined;
      const taken = inside ?? reserved ?? (overlap && `${overlap.address} of ${overlap.device}`);
      if (taken === undefined) free.push(prefix);
      else lines.push(`${prefix} does not lead to ${name}: it overlaps ${taken}`);
    }
    lines.push(...await routes.follow(free));
    const usable = free.filter((prefix) => !routes.elsewhere.has(prefix));
    const text = usable.join(" ");
    if (text !== this.#permitted) {
      lines.push(...await permit(usable));
      this.#permitted = text;
    }
    use(new Set(usable));
  }
}
