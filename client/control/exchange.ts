/**
 * The control plane of the client: one question to the server, one session or one ControlError that
 * a person can act on. Only the authority in the client's own bundle is trusted, never those of the
 * system, and the certificate must be for the name or address that was asked for. An exchange ends
 * in the time given, whatever the network does, and leaves no connection behind. The exchange itself
 * is section 1 of docs/protocol.md.
 */
import {
  CONTROL_EXCHANGE_TIMEOUT_MS,
  type ControlAnswer,
  type ControlGrant,
  type ControlRefusal,
  type ControlStatus,
  encodeRequest,
} from "../../lib/protocol/wire/control_message.ts";
import type { ProxySetting } from "../transport/proxy_setting.ts";
import type { OpenTls } from "../../lib/pki/tls/tls_side.ts";
import { FEATURE_X1 } from "../../lib/net/driver/features.ts";
import { checkClientCredentials, type ClientCredentials } from "./client_credentials.ts";
import { inOneMessage } from "./advice.ts";
import { ask } from "./connection.ts";
import type { Stage } from "./connection_failure.ts";
import { ControlError } from "./control_error.ts";
import { answerWithin, plainHost, resolveServer, type ServerAddress } from "./resolve_server.ts";

export type { ClientCredentials };

export interface ExchangeOptions {
  /** A name or an IPv4 or IPv6 address: what the server's certificate must be for. */
  readonly server: string;
  readonly port: number;
  readonly credentials: ClientCredentials;
  /** What the client can use, section 4 of docs/protocol.md. */
  readonly features: readonly string[];
  readonly clientVersion: string;
  /** Whether a server is taken that speaks v1 only; not unless told. */
  readonly acceptsV1?: boolean;
  /** Where to connect, in this order; without it what resolveServer() finds. */
  readonly addresses?: readonly ServerAddress[];
  /** The proxy that is at `addresses` in the place of the server. */
  readonly proxy?: ProxySetting | null;
  /** For everything together; 10 s by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Who carries out TLS; without it whatever this machine has. */
  readonly tls?: OpenTls;
  /** Told how far it has come with each address. */
  readonly onStage?: (stage: Stage) => void;
  /** Told what TLS came to with the server that answers: `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  readonly onSecured?: (negotiated: string) => void;
}

/** Failures of one address after which the next one is worth trying. */
const NEXT_ADDRESS_AFTER: ReadonlySet<string> = new Set([
  "unreachable",
  "connection refused",
  "timed out",
]);

/** Asks the server for a session. Throws ControlError. */
export async function exchange(options: ExchangeOptions): Promise<ControlGrant> {
  const { features, clientVersion, acceptsV1 = false } = options;
  const request = encodeRequest({ clientName: "", features, clientVersion });
  return grantFrom(await converse(options, request), acceptsV1);
}

/**
 * Asks the server how it is doing. One that does not know the question grants a session, which is
 * left to fall idle: of it nothing is known. Throws ControlError.
 */
export async function askStatus(
  options: Omit<ExchangeOptions, "features" | "acceptsV1">,
): Promise<ControlStatus> {
  const { clientVersion } = options;
  const request = encodeRequest({ clientName: "", features: [], clientVersion, ask: "status" });
  const answer = await converse(options, request);
  if (answer.kind === "refusal") throw refused(answer);
  if (answer.kind === "status") return answer;
  answer.sessionKey.fill(0);
  return { kind: "status", load: null, isDraining: false };
}

async function converse(
  options: Omit<ExchangeOptions, "features" | "acceptsV1">,
  request: Uint8Array<ArrayBuffer>,
): Promise<ControlAnswer> {
  const { credentials, signal, timeoutMs = CONTROL_EXCHANGE_TIMEOUT_MS } = options;
  checkClientCredentials(credentials, Date.now());
  const server = plainHost(options.server);
  const deadlineMs = performance.now() + timeoutMs;
  const first = options.proxy?.host ?? server;
  const addresses = options.addresses ??
    await answerWithin(resolveServer(first), first, timeoutMs, signal);
  const leftMs = () => Math.max(1, deadlineMs - performance.now());
  const failures: ControlError[] = [];
  for (const [index, { address }] of addresses.entries()) {
    // What is left is shared out, so that one silent address cannot use up the time of the others.
    const shareMs = leftMs() / (addresses.length - index);
    const { onStage, onSecured, tls, proxy = null } = options;
    const port = proxy?.port ?? options.port;
    const tunnel = proxy === null ? undefined : { proxy, host: server, port: options.port };
    const target = { server, address, port, tunnel, credentials, signal, onStage, onSecured, tls };
    try {
      return await ask(target, request, shareMs);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      if (!NEXT_ADDRESS_AFTER.has(error.code)) throw error;
      failures.push(error);
    }
  }
  throw unreached(server, failures);
}

function grantFrom(response: ControlAnswer, acceptsV1: boolean): ControlGrant {
  if (response.kind === "grant") {
    if (acceptsV1 || response.features.includes(FEATURE_X1)) return response;
    response.sessionKey.fill(0);
    throw new ControlError(
      "server speaks v1",
      "The server speaks v1 only, which has no protection against replays; bring it up to date, " +
        "or give -accept-v1",
      { retryable: false },
    );
  }
  if (response.kind === "refusal") throw refused(response);
  throw new ControlError(
    "malformed response",
    "Cannot use the control response: the server tells how it is doing, and was asked for a session",
    { retryable: false },
  );
}

function refused({ code, message }: ControlRefusal): ControlError {
  return new ControlError("refused by the server", `The server refuses: ${message}`, {
    retryable: !FINAL_REFUSALS.has(code),
    serverCode: code,
  });
}

/** Codes of the server's error object that asking again does not change. */
const FINAL_REFUSALS: ReadonlySet<string> = new Set([
  "bad_certificate",
  "revoked",
  "malformed",
  "too_large",
  "name_mismatch",
  "v1_refused",
]);

/** One error for all addresses: the last failure decides, the others are told. */
function unreached(server: string, failures: readonly ControlError[]): ControlError {
  const last = failures.at(-1);
  if (last === undefined) throw new RangeError(`Cannot connect to ${server}: no address was given`);
  if (failures.length === 1) return last;
  const message = inOneMessage(failures.map((failure) => failure.message));
  return new ControlError(last.code, message, { retryable: last.retryable });
}
