import type { NetworkInterface } from "../../links/network_interface.ts";
import { isNeighbour } from "./gateway.ts";
import type { NextHop } from "./routing_table.ts";

/**
 * A link's going down may be heard of after its routes are seen to be gone: for so many looks a next
 * hop is not forgotten.
 */
const MISSES_MAX = 2;

/**
 * The next hop of one link, in one family or to one address. The kernel drops it together with the
 * link, and where addresses are configured by hand nobody gives it back. Such a next hop is used again
 * when the link is back, as long as it is a neighbour and nobody names another one. A next hop that
 * goes while the link stays has been withdrawn, and is forgotten.
 */
export class NextHopMemory {
  #nextHop: NextHop | null = null;
  #wentWithLink = false;
  #misses = 0;

  /** The link is away, or was for a moment: what it leads to is dropped with it. */
  linkWentDown(): void {
    this.#wentWithLink = true;
    this.#misses = 0;
  }

  /** The routes have this next hop. */
  found(nextHop: NextHop): void {
    this.#nextHop = nextHop;
    this.#wentWithLink = false;
    this.#misses = 0;
  }

  /** The link is there and the routes have no next hop: returns the one to use, if any. */
  missing(link: NetworkInterface): NextHop | undefined {
    if (this.#nextHop === null) return undefined;
    if (this.#wentWithLink) {
      return isNeighbour(this.#nextHop, link) ? withOwnSource(this.#nextHop, link) : undefined;
    }
    if (++this.#misses > MISSES_MAX) this.#nextHop = null;
    return undefined;
  }
}

/** A source address that the link has no more is no source. */
function withOwnSource(nextHop: NextHop, { addresses }: NetworkInterface): NextHop {
  const { device, gateway, source } = nextHop;
  return source === undefined || addresses.some(({ address }) => address === source)
    ? nextHop
    : { device, gateway };
}
