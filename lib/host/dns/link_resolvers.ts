/**
 * The DNS servers that each link has of its own: those its network handed out, else those the machine
 * asked before the tunnel was there, else its gateway. They are for names that must be found while the
 * tunnel, and with it every other DNS server, is dead.
 */
import { familyOf, isLoopback } from "../links/address.ts";
import { nameservers, OWN_HEADER } from "./resolv_conf.ts";

/** A DNS server, and the interface it is asked over. */
export interface LinkResolver {
  readonly device: string;
  /** Index of the interface. */
  readonly index: number;
  readonly address: string;
}

/** A way out of the machine. */
interface LinkToAsk {
  readonly device: string;
  readonly index: number;
  /** None where the link is point to point. */
  readonly gateways: readonly string[];
}

/** What is asked for each link at the most. */
const RESOLVERS_PER_LINK = 3;
const LINKS_MAX = 8;
/** Far above any such file that works. */
const FILE_BYTES_MAX = 64 * 1024;
/** What the machine asked before: the second and third are behind stubs that /etc/resolv.conf names. */
const MACHINE_FILES = [
  "/etc/resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
];

export class LinkResolvers {
  readonly #root: string;
  /** By file, as it was when it was not ours. */
  readonly #machine = new Map<string, readonly string[]>();

  /** @param root where /etc and /run are, for tests. */
  constructor(root = "") {
    this.#root = root;
  }

  /** Reads what the machine asks; to be called before its DNS is changed. */
  async remember(): Promise<void> {
    for (const file of MACHINE_FILES) {
      const text = await this.#read(file);
      if (text === null || text.startsWith(OWN_HEADER)) continue;
      this.#machine.set(file, usable(nameservers(text)));
    }
  }

  /** Whom to ask over each of `links`, the best first; RESOLVERS_PER_LINK of LINKS_MAX at the most. */
  async of(links: readonly LinkToAsk[]): Promise<LinkResolver[]> {
    const machine = [...this.#machine.values()].flat();
    const lists = await Promise.all(
      links.slice(0, LINKS_MAX).map(async (link) => {
        const { device, index, gateways } = link;
        const own = await this.#handedOut(index);
        const addresses = [...own, ...machine, ...usable(gateways)];
        return [...new Set(addresses)].slice(0, RESOLVERS_PER_LINK)
          .map((address) => ({ device, index, address }));
      }),
    );
    return lists.flat();
  }

  /** What the network of a link handed out, as systemd-networkd and systemd-resolved note it. */
  async #handedOut(index: number): Promise<string[]> {
    const files: [string, RegExp][] = [
      [`/run/systemd/netif/leases/${index}`, /^DNS=(.*)$/m],
      [`/run/systemd/netif/links/${index}`, /^DNS=(.*)$/m],
      [`/run/systemd/resolve/netif/${index}`, /^SERVERS=(.*)$/m],
    ];
    const texts = await Promise.all(files.map(async ([file, line]) => {
      const text = await this.#read(file);
      return text === null ? "" : line.exec(text)?.[1] ?? "";
    }));
    return usable(texts.flatMap((text) => text.split(/\s+/)));
  }

  async #read(file: string): Promise<string | null> {
    try {
      const path = `${this.#root}${file}`;
      const { isFile, size } = await Deno.stat(path);
      return isFile && size <= FILE_BYTES_MAX ? await Deno.readTextFile(path) : null;
    } catch {
      return null; // most machines have only some of them
    }
  }
}

/** Those that are addresses, and not of this machine's own stub; zones are known from the link. */
function usable(addresses: readonly string[]): string[] {
  return addresses.map((address) => address.replace(/%.*$/, "")).filter((address) => {
    try {
      familyOf(address);
      return !isLoopback(address);
    } catch {
      return false;
    }
  });
}
