import { FAMILIES } from "../lib/host/links/address.ts";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import type { CommandRunner } from "../lib/host/command/runner.ts";
import { SerialQueue } from "../lib/host/serial_queue.ts";
import {
  lostDefaults,
  remakeDefault,
  type SavedDefault,
  saveDefaults,
} from "../lib/host/routes/saved_defaults.ts";

/** How long whoever manages a link that is back has to give it a default route. */
const PATIENCE_MS = 3_000;

const log = getLogger([LOG_CATEGORY, "client"]);

interface Waiting {
  timer: ReturnType<typeof setTimeout>;
  /** Through which the link led before; undefined for one with no gateway. */
  gateways: Set<string | undefined>;
}

/**
 * The machine's own default routes behind ours are never changed, but the kernel drops those of a link
 * that goes down. One that nobody gives back with the link is put back exactly as it was, so that the
 * machine has the routes it had, whenever this program ends. That makes again what was there before:
 * it is no change to be undone, and in no journal.
 */
export class DefaultKeeper implements AsyncDisposable {
  readonly #runner: CommandRunner;
  #saved: readonly SavedDefault[];
  readonly #waiting = new Map<string, Waiting>();
  readonly #queue = new SerialQueue();

  private constructor(runner: CommandRunner, saved: readonly SavedDefault[]) {
    this.#runner = runner;
    this.#saved = saved;
  }

  /** @param isKept which of those that are there now; all unless given. */
  static async save(
    runner: CommandRunner,
    isKept: (route: SavedDefault) => boolean = () => true,
  ): Promise<DefaultKeeper> {
    return new DefaultKeeper(runner, (await readDefaults(runner)).filter(isKept));
  }

  /** Those over `device` as known last. */
  of(device: string): SavedDefault[] {
    return this.#saved.filter(({ hops }) => hops.length === 1 && hops[0]?.device === device);
  }

  /** From now on `routes` are those over `device`: somebody has changed them while the link was up. */
  know(device: string, routes: readonly SavedDefault[]): void {
    const before = new Set(this.of(device));
    this.#saved = [...this.#saved.filter((route) => !before.has(route)), ...routes];
  }

  /** A link is back without the route it had, through `gateway`. */
  linkIsBare(device: string, gateway: string | undefined): void {
    const waiting = this.#waiting.get(device);
    if (waiting !== undefined) {
      waiting.gateways.add(gateway);
      return;
    }
    const timer = setTimeout(() => this.#putBackInTurn(device), PATIENCE_MS);
    this.#waiting.set(device, { timer, gateways: new Set([gateway]) });
  }

  /** Does now what was about to be done. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const device of [...this.#waiting.keys()]) this.#putBackInTurn(device);
    await this.#queue.idle();
  }

  #putBackInTurn(device: string): void {
    const waiting = this.#waiting.get(device);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(device);
    this.#queue.run(() => this.#putBack(device, waiting.gateways))
      .catch((error) =>
        log.warn("cannot put back the routes of {device}: {error}", {
          device,
          error,
        })
      );
  }

  async #putBack(device: string, gateways: Waiting["gateways"]): Promise<void> {
    for (const family of FAMILIES) {
      const saved = this.#saved.filter((route) => route.family === family);
      const present = await saveDefaults(this.#runner, family);
      for (const route of lostDefaults(saved, present, device, gateways)) {
        const { code } = await this.#runner.run(remakeDefault(route));
        if (code === 0) log.info(`put back the default route over ${device}`);
      }
    }
  }
}

/** Of both families. A kernel without IPv6 has none. @throws CommandError */
export async function readDefaults(runner: CommandRunner): Promise<SavedDefault[]> {
  return [...await saveDefaults(runner, 4), ...await saveDefaults(runner, 6)];
}
