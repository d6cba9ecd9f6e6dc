import { FAMILIES } from "../../lib/host/links/address.ts";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { goesBefore } from "../../lib/host/routes/removed_defaults.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import {
  lostDefaults,
  remakeDefault,
  type SavedDefault,
  saveDefaults,
} from "../../lib/host/routes/saved_defaults.ts";

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
 * that goes down. One that was there at the start, and that nobody gives back with the link, is put back
 * exactly as it was, so that the machine has the routes it had, whenever this program ends. That
 * makes again what was there before: it is no change to be undone, and in no journal.
 */
export class DefaultKeeper implements AsyncDisposable {
  readonly #runner: CommandRunner;
  readonly #saved: readonly SavedDefault[];
  readonly #waiting = new Map<string, Waiting>();
  readonly #queue = new SerialQueue();

  private constructor(runner: CommandRunner, saved: readonly SavedDefault[]) {
    this.#runner = runner;
    this.#saved = saved;
  }

  static async save(runner: CommandRunner): Promise<DefaultKeeper> {
    const saved = [...await saveDefaults(runner, 4), ...await saveDefaults(runner, 6)];
    return new DefaultKeeper(runner, saved.filter((route) => !goesBefore(route)));
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
