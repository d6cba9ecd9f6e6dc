import type { TLSSocket } from "node:tls";
import {
  ControlMessageError,
  type ControlRefusal,
  type ControlRequest,
  type ControlResponse,
  createRequestReader,
  encodeResponse,
  parseRequest,
  unusable,
} from "../../lib/protocol/wire/control_message.ts";
import type { JsonObject } from "../../lib/protocol/wire/json_object_reader.ts";
import type { PeerIdentity } from "./peer_certificate.ts";
import {
  badCertificate,
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
}

/** An answer as the log and the wire want it. */
export interface Answer {
  readonly bytes: Uint8Array;
  readonly outcome: { readonly kind: "granted"; readonly peer: ControlPeer } | ControlRefusal;
  /** Why the server itself failed, when it did. */
  readonly fault: string | null;
}

/**
 * Reads the request and decides about it. Resolves with null when the client has gone before there
 * was something to answer; never rejects. What the client sends after its JSON object is read and
 * thrown away, so that closing does not reset the connection before the client has the answer.
 */
export async function answerExchange(
  socket: TLSSocket,
  identity: PeerIdentity | { readonly problem: string },
  remoteAddress: string,
  policy: Policy,
): Promise<Answer | null> {
  const reading = readRequest(socket);
  try {
    if ("problem" in identity) return refuse(badCertificate(identity.problem));
    // Before the request is read: nothing a revoked client says counts.
    if (policy.isRevoked(identity.serialHex)) return refuse(revoked(identity.commonName));
    const request = await reading;
    if (request === null) return null;
    if (request === "nothing asked") return refuse(nothingAsked());
    if (request instanceof ControlMessageError) return refuse(unusableRequest(request));
    if (request.clientName !== "" && request.clientName !== identity.commonName) {
      return refuse(nameMismatch(identity.commonName));
    }
    // Again: a slow request must not outlive the revocation that ended its client's session.
    if (policy.isRevoked(identity.serialHex)) return refuse(revoked(identity.commonName));
    const { features, clientVersion } = request;
    const peer: ControlPeer = { ...identity, remoteAddress, features, clientVersion };
    const response = await policy.grant(peer);
    if (response.kind === "refusal") return refuse(response);
    return { bytes: encodeResponse(response), outcome: { kind: "granted", peer }, fault: null };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...refuse(unavailable()), fault: reason };
  }
}

function refuse(outcome: ControlRefusal): Answer {
  return { bytes: encodeResponse(outcome), outcome, fault: null };
}

type Request = ControlRequest | ControlMessageError | "nothing asked";

/** Null when the connection closed first. */
function readRequest(socket: TLSSocket): Promise<Request | null> {
  const { promise, resolve } = Promise.withResolvers<Request | null>();
  const reader = createRequestReader();
  let isEmpty = true;
  socket.on("data", (chunk: Uint8Array) => {
    isEmpty = false;
    const result = reader.read(chunk);
    if (result.state === "complete") resolve(requestFrom(result.object));
    else if (result.state !== "incomplete") resolve(unusable("request", result.state));
  });
  socket.once(
    "end",
    () => resolve(isEmpty ? "nothing asked" : unusable("request", "incomplete")),
  );
  socket.once("close", () => resolve(null));
  return promise;
}

function requestFrom(object: JsonObject): ControlRequest | ControlMessageError {
  try {
    return parseRequest(object);
  } catch (error) {
    if (error instanceof ControlMessageError) return error;
    throw error;
  }
}
