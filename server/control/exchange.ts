import { messageOf } from "../../lib/ffi/error_text.ts";
import type { TlsChannel } from "../../lib/pki/tls/tls_side.ts";
import {
  ControlMessageError,
  type ControlRefusal,
  type ControlRequest,
  type ControlResponse,
  type ControlStatus,
  createRequestReader,
  encodeResponse,
  parseRequest,
  unusable,
} from "../../lib/protocol/wire/control_message.ts";
import type { JsonObject } from "../../lib/protocol/wire/json_object_reader.ts";
import type { PeerIdentity } from "./peer_certificate.ts";
import {
  badCertificate,
  draining,
  nameMismatch,
  nothingAsked,
  revoked,
  unavailable,
  unusableRequest,
} from "./refusal.ts";

/** A client that has proved who it is, and what it asks for. */
export interface ControlPeer extends PeerIdentity {
  /** IPv4 or IPv6, never IPv4 in IPv6. */
  readonly remoteAddress: string;
  readonly features: readonly string[];
  /** Words of the client, without control characters; empty when it did not say. */
  readonly clientVersion: string;
}

/** What the rest of the server says about a client. */
interface Policy {
  isRevoked(serialHex: string): boolean;
  grant(peer: ControlPeer): Promise<ControlResponse> | ControlResponse;
  /** How the server is doing; without it, it is not draining, and its load is not known. */
  status?(): Omit<ControlStatus, "kind">;
}

/** An answer as the log and the wire want it. */
interface Answer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly outcome:
    | { readonly kind: "granted"; readonly peer: ControlPeer }
    | ControlStatus
    | ControlRefusal;
  /** Why the server itself failed, when it did. */
  readonly fault: string | null;
}

/**
 * Reads the request and decides about it. Resolves with null when the client has gone before there
 * was something to answer; never rejects.
 */
export async function answerExchange(
  connection: Pick<TlsChannel, "read">,
  identity: PeerIdentity | { readonly problem: string },
  remoteAddress: string,
  policy: Policy,
): Promise<Answer | null> {
  try {
    if ("problem" in identity) return refuse(badCertificate(identity.problem));
    // Before the request is read: nothing a revoked client says counts.
    if (policy.isRevoked(identity.serialHex)) return refuse(revoked(identity.commonName));
    const request = await readRequest(connection);
    if (request === null) return null;
    if (request === "nothing asked") return refuse(nothingAsked());
    if (request instanceof ControlMessageError) return refuse(unusableRequest(request));
    if (request.clientName !== "" && request.clientName !== identity.commonName) {
      return refuse(nameMismatch(identity.commonName));
    }
    // Again: a slow request must not outlive the revocation that ended its client's session.
    if (policy.isRevoked(identity.serialHex)) return refuse(revoked(identity.commonName));
    const { load, isDraining } = policy.status?.() ?? { load: null, isDraining: false };
    if (request.ask === "status") {
      const outcome: ControlStatus = { kind: "status", load, isDraining };
      return { bytes: encodeResponse(outcome), outcome, fault: null };
    }
    if (isDraining) return refuse(draining());
    const { features, clientVersion } = request;
    const peer: ControlPeer = { ...identity, remoteAddress, features, clientVersion };
    const response = await policy.grant(peer);
    if (response.kind === "refusal") return refuse(response);
    const bytes = encodeResponse(load === null ? response : { ...response, load });
    response.sessionKey.fill(0);
    return { bytes, outcome: { kind: "granted", peer }, fault: null };
  } catch (error) {
    const reason = messageOf(error);
    return { ...refuse(unavailable()), fault: reason };
  }
}

function refuse(outcome: ControlRefusal): Answer {
  return { bytes: encodeResponse(outcome), outcome, fault: null };
}

type Request = ControlRequest | ControlMessageError | "nothing asked";

/** Null when the connection broke first. */
async function readRequest(connection: Pick<TlsChannel, "read">): Promise<Request | null> {
  const reader = createRequestReader();
  let isEmpty = true;
  for (;;) {
    let chunk: Uint8Array | null;
    try {
      chunk = await connection.read();
    } catch (error) {
      if (!(error instanceof Deno.errors.UnexpectedEof)) return null;
      chunk = null; // TCP has ended where TLS should have: what came is judged all the same
    }
    if (chunk === null) return isEmpty ? "nothing asked" : unusable("request", "incomplete");
    isEmpty = false;
    const result = reader.read(chunk);
    if (result.state === "complete") return requestFrom(result.object);
    if (result.state !== "incomplete") return unusable("request", result.state);
  }
}

function requestFrom(object: JsonObject): ControlRequest | ControlMessageError {
  try {
    return parseRequest(object);
  } catch (error) {
    if (error instanceof ControlMessageError) return error;
    throw error;
  }
}
