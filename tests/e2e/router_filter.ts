/**
 * What the router of the lab does to the clients' links: it counts what leaves a client beside the
 * tunnel, and cuts a link without telling anybody, as when the line behind a modem breaks.
 */

import { SERVER_ADDRESS, SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import type { Namespace } from "../netns/namespace.ts";

const TABLES = ["iptables", "ip6tables"] as const;
const FAMILY_SIGN = { iptables: ".", ip6tables: ":" };

/** Counts packets of a client's links that go anywhere but to the servers, from now on. */
export class ClearTrafficCounter {
  readonly #router: Namespace;

  private constructor(router: Namespace) {
    this.#router = router;
  }

  /** @param others addresses of servers beside the lab's own. */
  static async start(
    router: Namespace,
    links: readonly string[],
    others: readonly string[] = [],
  ): Promise<ClearTrafficCounter> {
    const servers = [SERVER_ADDRESS, SERVER_ADDRESS6, ...others];
    for (const tables of TABLES) {
      const own = [tables, "-w", "-t", "raw"];
      await router.run(...own, "-N", "clear");
      for (const link of links) {
        await router.run(...own, "-I", "PREROUTING", "-i", link, "-j", "clear");
      }
      const ofFamily = servers.filter((address) => address.includes(FAMILY_SIGN[tables]));
      for (const what of [...ofFamily.map((address) => ["-d", address]), ...localTraffic(tables)]) {
        await router.run(...own, "-A", "clear", ...what, "-j", "RETURN");
      }
      await router.run(...own, "-A", "clear");
    }
    return new ClearTrafficCounter(router);
  }

  /** The packets so far, both families together. */
  async packets(): Promise<number> {
    let sum = 0;
    for (const tables of TABLES) {
      const { stdout } = await this.#router.run(
        ...[tables, "-w", "-t", "raw", "-nvxL", "clear"],
      );
      sum += Number(/^\s*(\d+)/.exec(stdout.trimEnd().split("\n").at(-1) ?? "")?.[1]);
    }
    return sum;
  }
}

/** Neighbour discovery and multicast membership are the link's own business. */
function localTraffic(tables: typeof TABLES[number]): string[][] {
  if (tables === "iptables") return [];
  return [
    ["-d", "ff00::/8"],
    ...[135, 136].map((type) => ["-p", "icmpv6", "--icmpv6-type", String(type)]),
  ];
}

/** Makes a link carry no IP packet in either direction until it is restored. */
export async function cutLink(router: Namespace, link: string): Promise<void> {
  await onBothWays(router, link, "-A");
}

export async function restoreLink(router: Namespace, link: string): Promise<void> {
  await onBothWays(router, link, "-D");
}

async function onBothWays(router: Namespace, link: string, verb: "-A" | "-D"): Promise<void> {
  for (const tables of TABLES) {
    await router.run(tables, "-w", "-t", "raw", verb, "PREROUTING", "-i", link, "-j", "DROP");
    await router.run(tables, "-w", "-t", "mangle", verb, "POSTROUTING", "-o", link, "-j", "DROP");
  }
}

/** Bytes an interface has sent and received. */
export async function interfaceBytes(machine: Namespace, name: string): Promise<number> {
  const files = ["tx_bytes", "rx_bytes"].map((file) => `/sys/class/net/${name}/statistics/${file}`);
  const { stdout } = await machine.run("cat", ...files);
  return stdout.trim().split("\n").reduce((sum, line) => sum + Number(line), 0);
}
