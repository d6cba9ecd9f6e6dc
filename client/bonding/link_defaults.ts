/**
 * The default routes of the links themselves, which the tunnel leaves alone and the kernel drops with
 * a link that is set down. The kernel says when a link goes: a route that is gone after that, though
 * its link is back, was lost with it and is given back (`default_keeper.ts`). One that goes while its
 * link stays was taken away by somebody, and is forgotten.
 */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { findInterface, listInterfaces, whyAway } from "../../lib/host/links/network_interface.ts";
import type { SavedDefault } from "../../lib/host/routes/saved_defaults.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { type DefaultKeeper, readDefaults } from "../default_keeper.ts";

type Keeper = Pick<DefaultKeeper, "of" | "know" | "linkIsBare">;

export class LinkDefaults {
  readonly #runner: CommandRunner;
  readonly #keeper: Keeper;
  readonly #devices: () => readonly string[];
  readonly #queue = new SerialQueue();
  readonly #lookNext = this.#queue.shared(() => this.#look());
  /** Links that went down, until they have a default route again. */
  readonly #bare = new Set<string>();

  /** @param devices the interfaces of the links, which may change. */
  constructor(runner: CommandRunner, keeper: Keeper, devices: () => readonly string[]) {
    this.#runner = runner;
    this.#keeper = keeper;
    this.#devices = devices;
  }

  /** Links, addresses or routes have changed; `wentDown` as watchLinks() tells it. @throws CommandError */
  changed(wentDown: ReadonlySet<string>): Promise<void> {
    const devices = this.#devices();
    for (const name of wentDown) if (devices.includes(name)) this.#bare.add(name);
    return this.#lookNext();
  }

  /** Resolves when nothing is being looked at. */
  async settled(): Promise<void> {
    await this.#queue.idle();
  }

  async #look(): Promise<void> {
    // In this order: a link that goes down in between is seen to be down, not to have lost its route.
    const present = await readDefaults(this.#runner);
    const interfaces = await listInterfaces(this.#runner);
    for (const device of this.#devices()) {
      const own = present.filter((route) => isOver(route, device));
      const isAway = whyAway(findInterface(interfaces, device)) !== null;
      if (isAway) this.#bare.add(device);
      else if (!this.#bare.has(device)) this.#keeper.know(device, own);
      else if (own.length > 0) this.#bare.delete(device);
      else {
        for (const { hops } of this.#keeper.of(device)) {
          this.#keeper.linkIsBare(device, hops[0]?.gateway?.address);
        }
      }
    }
  }
}

function isOver({ hops }: SavedDefault, device: string): boolean {
  return hops.length === 1 && hops[0]?.device === device;
}
