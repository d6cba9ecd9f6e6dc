/**
 * Asks the server for a session over one link after the other, and at each address of it, so that a
 * dead link in front does not keep the client from a server it could reach over another. What somebody
 * else answers there (a hotspot, an impostor) is a failure of that link, and no more.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { VERSION } from "../../lib/cli/version.ts";
import type { NextHop } from "../../lib/host/routes/gateway/routing_table.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { ControlError } from "../control/control_error.ts";
import {
  askStatus,
  type ClientCredentials,
  exchange,
  type ExchangeOptions,
} from "../control/exchange.ts";
import type { Stage } from "../control/connection_failure.ts";
import type { ProxySetting } from "../transport/proxy_setting.ts";
import type { ConnectProgress, ConnectStep } from "./connect_progress.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import type { ServerFigures } from "./servers/server_choice.ts";

/** For one link and address, at the least: a connection over a slow link takes several round trips. */
const ATTEMPT_MIN_MS = 2500;
/** For all of them together: at the least, however few there are, and at the most. */
const REQUEST_MIN_MS = 10_000;
const REQUEST_MAX_MS = 30_000;

const log = getLogger([LOG_CATEGORY, "client"]);

interface ControlTarget {
  readonly port: number;
  readonly credentials: ClientCredentials;
  /** Those of the engine. */
  readonly features: readonly string[];
  /** Whether a server is taken that speaks v1 only. */
  readonly acceptsV1: boolean;
  /** The proxy in front of the servers, whose addresses the routes lead to. */
  readonly proxy?: ProxySetting | null;
  readonly progress?: ConnectProgress;
}

/** A link, and an address of the server that it leads to. */
export interface ControlRoute {
  /** Name of the link. */
  readonly link: string;
  readonly nextHop: NextHop;
  readonly endpoint: ServerEndpoint;
  /** Whether the link uses this address at present: its route stays whatever comes of asking. */
  readonly isInUse: boolean;
  /** Whether its route stays though no link uses it. */
  readonly isKept: boolean;
}

export interface Granted {
  readonly grant: ControlGrant;
  /** Who granted it. */
  readonly endpoint: ServerEndpoint;
}

const STEP_OF: Readonly<Record<Stage, ConnectStep>> = {
  "connecting": "TCP",
  "proxy": "TCP",
  "TLS handshake": "TLS",
  "waiting for the answer": "session",
};

export class SessionRequests {
  readonly #target: ControlTarget;
  /** By link, what was not trusted there: said once. */
  readonly #untrusted = new Map<string, string>();

  constructor(target: ControlTarget) {
    this.#target = target;
  }

  /**
   * Asks along each of `routes`, in this order, until one grants a session.
   * @throws ControlError that is final at once; else one that trying again may mend, if there was any.
   */
  async request(routes: readonly ControlRoute[], signal: AbortSignal): Promise<Granted> {
    const deadline = performance.now() +
      Math.min(REQUEST_MAX_MS, Math.max(REQUEST_MIN_MS, ATTEMPT_MIN_MS * routes.length));
    let failure: ControlError | null = null;
    for (const [index, route] of routes.entries()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      const shareMs = Math.max(ATTEMPT_MIN_MS, leftMs / (routes.length - index));
      try {
        const grant = await this.#ask(route, Math.min(leftMs, shareMs), signal);
        this.#untrusted.delete(route.link);
        return { grant, endpoint: route.endpoint };
      } catch (error) {
        if (!(error instanceof ControlError) || error.isFinal || signal.aborted) throw error;
        if (!error.retryable) this.#sayUntrusted(route, error);
        if (failure === null || error.retryable) failure = error;
      }
    }
    if (failure === null) throw new RangeError("Cannot ask for a session: no link was given");
    throw failure;
  }

  #ask(route: ControlRoute, timeoutMs: number, signal: AbortSignal): Promise<ControlGrant> {
    const { endpoint: { address }, link } = route;
    return this.#along(route, (target) =>
      exchange({
        ...target,
        ...{ timeoutMs, signal },
        onStage: (stage) =>
          this.#target.progress?.begin(
            STEP_OF[stage],
            stage === "connecting" || stage === "proxy" ? `${address} over ${link}` : "",
          ),
      }));
  }

  /** Asks the server at the end of `route` how it is, in `timeoutMs`. @throws ControlError. */
  async askStatus(
    route: ControlRoute,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ServerFigures> {
    let beganMs = 0;
    let rttMs = 0;
    const onStage = (stage: Stage) => {
      if (stage === "connecting") beganMs = performance.now();
      else if (stage === "TLS handshake") rttMs = performance.now() - beganMs;
    };
    const { load, isDraining } = await this.#along(
      route,
      (target) => askStatus({ ...target, timeoutMs, signal, onStage }),
    );
    return { rttMs, load, isDraining };
  }

  async #along<Answer>(
    route: ControlRoute,
    ask: (target: ExchangeOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const { link, nextHop, endpoint } = route;
    const { routes, host } = endpoint;
    try {
      if (!route.isInUse) await routes?.ensure(nextHop);
      await routes?.prefer(nextHop.device);
    } catch (error) {
      throw cannotPrefer(link, error);
    }
    try {
      const who = { server: host, addresses: [endpoint], clientVersion: VERSION };
      return await ask({ ...this.#target, ...who });
    } catch (error) {
      if (!route.isInUse && !route.isKept) {
        await routes?.remove(nextHop.device).catch((error) => log.debug("{error}", { error }));
      }
      throw error;
    }
  }

  #sayUntrusted({ link }: ControlRoute, { message }: ControlError): void {
    if (this.#untrusted.get(link) === message) return;
    const isSaid = [...this.#untrusted.values()].includes(message);
    this.#untrusted.set(link, message);
    if (isSaid) return log.warn("over link {link}: the same", { link });
    log.warn("over link {link}: {message}; the server is asked over the other links", {
      link,
      message,
    });
  }
}

/** The link may have gone since it was read, or the route not be recorded: the next one may do. */
function cannotPrefer(link: string, error: unknown): ControlError {
  const why = messageOf(error);
  return new ControlError("unreachable", `Cannot ask the server over ${link}: ${why}`, {
    retryable: true,
  });
}
