import { isIP } from "node:net";
import tls from "node:tls";
import type { TLSSocket } from "node:tls";
import {
  ControlMessageError,
  type ControlResponse,
  createResponseReader,
  parseResponse,
  unusable,
} from "../../lib/protocol/wire/control_message.ts";
import type { ClientCredentials } from "./client_credentials.ts";
import {
  explainClose,
  explainFailure,
  explainTimeout,
  place,
  type Stage,
  type Target,
  wrongServerName,
} from "./connection_failure.ts";
import { abortedError, ControlError } from "./control_error.ts";

interface ConnectionTarget extends Target {
  readonly credentials: ClientCredentials;
  readonly signal?: AbortSignal;
}

/**
 * Connects, sends `request`, half-closes and reads the answer, which may come before the server has
 * closed. The connection is closed when this settles. Throws ControlError.
 */
export function ask(
  target: ConnectionTarget,
  request: Uint8Array,
  timeoutMs: number,
): Promise<ControlResponse> {
  const { signal } = target;
  if (signal?.aborted) return Promise.reject(abortedError());
  const { promise, resolve, reject } = Promise.withResolvers<ControlResponse>();
  let stage: Stage = "connecting";
  let answered = false;
  const reader = createResponseReader();
  const socket = connect(target);
  const timer = setTimeout(() => reject(explainTimeout(stage, target, timeoutMs)), timeoutMs);
  const onAbort = () => reject(abortedError());
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.on("connect", () => stage = "TLS handshake");
  socket.on("secureConnect", () => {
    stage = "waiting for the answer";
    socket.end(request);
  });
  socket.on("data", (chunk: Uint8Array) => {
    answered = true;
    const result = reader.read(chunk);
    if (result.state === "incomplete") return;
    try {
      if (result.state !== "complete") throw unusable("response", result.state);
      resolve(parseResponse(result.object));
    } catch (error) {
      reject(error instanceof ControlMessageError ? malformed(error) : error);
    }
  });
  socket.on("error", (error) => {
    reject(answered ? cutShort(target) : explainFailure(error, stage, target));
  });
  socket.on("close", () => reject(answered ? cutShort(target) : explainClose(stage, target)));
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    socket.destroy();
  });
}

function connect(target: ConnectionTarget): TLSSocket {
  const { server, address, port, credentials } = target;
  return tls.connect({
    host: address,
    port,
    // Server name indication is for names only (RFC 6066, section 3).
    servername: isIP(server) === 0 ? server : "",
    cert: credentials.certPem,
    key: credentials.keyPem,
    // These alone. Deno.connectTls() would trust the public authorities as well, so that whoever
    // has one of their certificates for the same name could stand in for the server.
    ca: credentials.caPem,
    minVersion: "TLSv1.2",
    rejectUnauthorized: true,
    checkServerIdentity(_host, certificate) {
      if (tls.checkServerIdentity(server, certificate) === undefined) return undefined;
      return wrongServerName(target, certificate.subjectaltname ?? "");
    },
  });
}

function malformed(error: ControlMessageError): ControlError {
  return new ControlError("malformed response", error.message, { retryable: false });
}

function cutShort(target: Target): ControlError {
  return new ControlError(
    "connection lost",
    `Lost the connection to ${place(target)} in the middle of the answer: try again`,
    { retryable: true },
  );
}
