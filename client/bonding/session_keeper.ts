/**
 * Keeps a session: the first one is asked for until there is one, each is renewed in time, and one
 * that is lost is replaced.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { backoffMs } from "../control/backoff.ts";
import { ControlError } from "../control/control_error.ts";
import type { BondOptions } from "../config/options.ts";
import type { ConnectProgress } from "./connect_progress.ts";
import type { LinkSet } from "./link_set.ts";
import type { LiveSession } from "./live_session.ts";
import { pause } from "./pause.ts";
import { RepeatedLoss } from "./repeated_loss.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import type { ServerPool } from "./servers/server_pool.ts";
import type { SessionOpening } from "./session_opening.ts";

/** The longest pause between two attempts: with a link that works the server is missed most. */
const BACKOFF_MAX_MS = 3000;
const BACKOFF_WITHOUT_LINK_MAX_MS = 10_000;
const RENEWAL_BACKOFF_MAX_MS = 60_000;

const log = getLogger([LOG_CATEGORY, "client"]);

interface SessionKeeperParts {
  readonly options: Pick<BondOptions, "once" | "renewEveryMs">;
  readonly session: LiveSession;
  readonly links: Pick<LinkSet, "usable">;
  readonly opening: Pick<SessionOpening, "request" | "open">;
  readonly endpoints: Pick<ServerPool, "choice" | "size">;
  readonly progress: Pick<ConnectProgress, "fail">;
  /** This machine's addresses inside the tunnel. */
  readonly addresses: { toString(): string };
}

export class SessionKeeper {
  readonly #parts: SessionKeeperParts;
  readonly #repeatedLoss = new RepeatedLoss();
  /** Why there is no session, as it was said last. */
  #said = "";

  constructor(parts: SessionKeeperParts) {
    this.#parts = parts;
  }

  /**
   * Gets the first session, however long that takes; with `-once` there is one attempt. Returns who
   * granted it, or null when `signal` was aborted before. @throws Error that trying again cannot mend,
   * or any with `-once`.
   */
  async connect(signal: AbortSignal): Promise<ServerEndpoint | null> {
    const { session, opening, options } = this.#parts;
    for (let failures = 1;; failures++) {
      const either = AbortSignal.any([signal, session.interruption()]);
      try {
        const granted = await opening.request(either, "first");
        await opening.open(granted, signal);
        return signal.aborted ? null : granted.endpoint;
      } catch (error) {
        if (signal.aborted) return null;
        if (either.aborted) continue;
        this.#parts.progress.fail(messageOf(error));
        const isHopeless = !(error instanceof ControlError) || !error.retryable;
        if (options.once || isHopeless) throw error;
        this.#sayFailure("cannot connect yet, trying again", error);
        await pause(this.#backoffMs(failures), either);
      }
    }
  }

  /** Renews the session in time, and replaces it when it is lost. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    const { session, options } = this.#parts;
    while (!signal.aborted) {
      const event = await session.lostOr(options.renewEveryMs, signal);
      if (event === "stopped") return;
      if (event === "due") {
        if (await this.#renew(signal) !== "lost") continue;
      }
      this.#parts.endpoints.choice.lost(performance.now());
      if (!session.isOver) log.warn("no path answers: asking the server for a new session");
      await this.#reconnect(signal);
    }
  }

  /** Until the session is renewed, or it is lost: a renewal that fails takes nothing away. */
  async #renew(signal: AbortSignal): Promise<"renewed" | "lost" | "stopped"> {
    const { session, opening, endpoints: { choice, size } } = this.#parts;
    for (let failures = 1;; failures++) {
      const isMove = choice.aim !== null;
      try {
        await opening.open(await opening.request(signal, "renewal"), signal);
        if (signal.aborted) return "stopped";
        this.#said = "";
        log.info("session renewed");
        return "renewed";
      } catch (error) {
        if (signal.aborted) return "stopped";
        // The session in use is good, and the server that seemed better is not.
        if (isMove) {
          if (choice.aim !== null) choice.failed(choice.aim, performance.now());
          log.info("cannot move there yet: {error}", { error });
          return "renewed";
        }
        this.#sayFailure("cannot renew the session yet; the one in use goes on", error);
      }
      const isUrgent = size > 1 && choice.mustLeave;
      const maxMs = isUrgent ? BACKOFF_MAX_MS : RENEWAL_BACKOFF_MAX_MS;
      const waitMs = backoffMs(failures, Math.random(), maxMs);
      const event = await session.lostOr(waitMs, signal);
      if (event !== "due") return event;
    }
  }

  async #reconnect(signal: AbortSignal): Promise<void> {
    const { session, opening, addresses } = this.#parts;
    for (let failures = 1; !signal.aborted; failures++) {
      // The session may come back by itself, and the links may change, while the server is asked.
      const either = AbortSignal.any([signal, session.interruption()]);
      try {
        await opening.open(await opening.request(either, "lost"), signal);
        if (signal.aborted) return;
        this.#said = "";
        log.info("connected again as {addresses}", { addresses: String(addresses) });
        if (failures === 1) this.#noteReplaced();
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#repeatedLoss.isNetwork();
        if (!either.aborted) {
          if (error instanceof ControlError && error.isFinal) throw error;
          this.#sayFailure("cannot connect yet, trying again", error);
          await pause(this.#backoffMs(failures), either);
        }
      }
      if (session.isUp) {
        this.#parts.endpoints.choice.cameBack();
        log.info("the paths answer again");
        return;
      }
    }
  }

  #backoffMs(failures: number): number {
    const hasLink = this.#parts.links.usable().length > 0;
    const maxMs = hasLink ? BACKOFF_MAX_MS : BACKOFF_WITHOUT_LINK_MAX_MS;
    return backoffMs(failures, Math.random(), maxMs);
  }

  /** The same reason again is for -v only. */
  #sayFailure(what: string, error: unknown): void {
    const reason = error instanceof ControlError ? error.code : String(error);
    const level = this.#said === `${what} ${reason}` ? "debug" : "warn";
    this.#said = `${what} ${reason}`;
    log[level]("{what}: {error}", { what, error });
  }

  #noteReplaced(): void {
    if (!this.#repeatedLoss.replacedAtOnce(performance.now())) return;
    log.warn(
      "the server ends the session again and again, as it does when two machines use one " +
        'certificate: give each its own with "fluxify-server cert new NAME" on the server',
    );
  }
}
