/**
 * The request and the response of the control exchange: one JSON object each way on a TLS
 * connection. Unknown fields are ignored, known ones must be right. What is wrong is told by field
 * and with what to do, never with the value: a response carries the session key.
 */

import * as v from "valibot";
import { KEY_LENGTH } from "./header.ts";
import { type JsonObject, JsonObjectReader } from "./json_object_reader.ts";
import {
  MAPPING_KEY_LENGTH,
  MAPPING_TICKET_LENGTH,
  type MappingTicket,
} from "./mapping_message.ts";
import { isClientIpv4, isClientIpv6 } from "./tunnel_address.ts";

export const CONTROL_REQUEST_BYTES_MAX = 16_384;
export const CONTROL_RESPONSE_BYTES_MAX = 16_384;
/** For the whole exchange, TLS handshake included. */
export const CONTROL_EXCHANGE_TIMEOUT_MS = 10_000;

/** Characters of a certificate's common name (ub-common-name, RFC 5280). */
export const CLIENT_NAME_LENGTH_MAX = 64;
export const CLIENT_VERSION_LENGTH_MAX = 64;
export const FEATURES_MAX = 32;
export const FEATURE_LENGTH_MAX = 32;
export const UDP_HOSTS_MAX = 8;
/** Prefixes behind one client. */
export const CLIENT_ROUTES_MAX = 32;
/** Characters of a name (RFC 1035, 2.3.4). */
const HOST_LENGTH_MAX = 253;
export const ERROR_CODE_LENGTH_MAX = 64;
export const ERROR_MESSAGE_LENGTH_MAX = 1024;
/** Bytes: what every IPv4 link carries (RFC 791 with RFC 879), and what a length field holds. */
export const TUN_MTU_MIN = 576;
export const TUN_MTU_MAX = 65_535;

/** Of the networks inside the tunnel, in bits. */
const PREFIX4 = { min: 16, max: 29, default: 24 } as const;
const PREFIX6 = { min: 48, max: 120, default: 64 } as const;
const U32_MAX = 0xffffffff;
const PORT_MAX = 65_535;

export interface ControlRequest {
  /** Empty, or the common name of the certificate. */
  readonly clientName: string;
  /** The features the client can use. */
  readonly features: readonly string[];
  /** For logs; empty when the client did not say. */
  readonly clientVersion: string;
  /** "status": how the server is doing, and no session. Servers that do not know it grant one. */
  readonly ask?: "session" | "status";
}

export interface ControlGrant {
  readonly kind: "grant";
  /** u32, not 0. */
  readonly sessionId: number;
  /** KEY_LENGTH bytes; the holder wipes them. */
  readonly sessionKey: Uint8Array;
  readonly udpPort: number;
  /** Names or addresses to reach the data plane by; empty: those of the control plane. */
  readonly udpHosts: readonly string[];
  /** A host of the tunnel's network, as dotted text. */
  readonly clientIp: string;
  /** The same of IPv6, as text with colons. */
  readonly clientIp6: string;
  /** Length of the networks' prefixes in bits; 24 and 64 when the server did not say. */
  readonly prefix4: number;
  readonly prefix6: number;
  /** Those of the request that the server enables. */
  readonly features: readonly string[];
  /** Of the server's TUN device, in bytes; null when it did not say. */
  readonly mtu: number | null;
  /** To be asked at the second UDP port; missing: it was not wanted, or there is none. */
  readonly mapping?: MappingTicket;
  /** What share of the server is in use, 0 to 1; missing: it did not say. */
  readonly load?: number;
  /** Prefixes behind the client that the server routes to it, canonical; missing: none. */
  readonly routes?: readonly string[];
}

/** The answer to who asks for it instead of a session. */
export interface ControlStatus {
  readonly kind: "status";
  /** What share of the server is in use, 0 to 1; null: it does not know. */
  readonly load: number | null;
  /** Whether it is about to stop: it takes no client, and asks those it has to leave. */
  readonly isDraining: boolean;
}

export interface ControlRefusal {
  readonly kind: "refusal";
  /** For programs. */
  readonly code: string;
  /** For people: says what to do. */
  readonly message: string;
}

/** What who asks for a session is answered. */
export type ControlResponse = ControlGrant | ControlRefusal;

/** What anybody may be answered. */
export type ControlAnswer = ControlResponse | ControlStatus;

/** A control message cannot be used. The message is fit for a log and for the peer. */
export class ControlMessageError extends Error {
  override readonly name = "ControlMessageError";

  constructor(
    readonly reason: "incomplete" | "too large" | "malformed" | "invalid",
    message: string,
  ) {
    super(message);
  }
}

const PLAIN_TEXT = v.pipe(v.string(), v.regex(/^\P{Cc}*$/u));
/** Text of the peer's that will be shown: it must not steer the terminal. */
const SHOWN_TEXT = v.pipe(v.string(), v.transform((text) => text.replace(/\p{Cc}+/gu, " ")));
const FEATURE = v.pipe(v.string(), v.regex(/^[!-~]+$/), v.maxLength(FEATURE_LENGTH_MAX));
const FEATURES = v.nullish(v.pipe(v.array(FEATURE), v.maxLength(FEATURES_MAX)), []);

/** A name or an address, without port and brackets. */
const HOST = v.pipe(v.string(), v.regex(/^[A-Za-z0-9.:_-]+$/), v.maxLength(HOST_LENGTH_MAX));

const REQUEST = v.object({
  client_name: v.nullish(v.pipe(PLAIN_TEXT, v.maxLength(CLIENT_NAME_LENGTH_MAX)), ""),
  features: FEATURES,
  client_version: v.nullish(v.pipe(SHOWN_TEXT, v.maxLength(CLIENT_VERSION_LENGTH_MAX)), ""),
  ask: v.nullish(v.picklist(["session", "status"]), "session"),
});

const LOAD = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
/** An address and a length; whether they fit together is the reader's to find out. */
const PREFIX = v.pipe(v.string(), v.regex(/^[0-9A-Fa-f:.]{2,45}\/\d{1,3}$/));

const GRANT_FIELDS = v.object({
  session_id: integer(1, U32_MAX),
  session_key: base64Of(KEY_LENGTH),
  udp_port: integer(1, PORT_MAX),
  udp_hosts: v.nullish(v.pipe(v.array(HOST), v.maxLength(UDP_HOSTS_MAX)), []),
  client_ip: v.string(),
  client_ip6: v.pipe(v.string(), v.check(isClientIpv6)),
  prefix4: v.nullish(integer(PREFIX4.min, PREFIX4.max), PREFIX4.default),
  prefix6: v.nullish(integer(PREFIX6.min, PREFIX6.max), PREFIX6.default),
  features: FEATURES,
  mtu: v.nullish(integer(TUN_MTU_MIN, TUN_MTU_MAX), null),
  mapping: v.nullish(v.object({
    port: integer(1, PORT_MAX),
    ticket: base64Of(MAPPING_TICKET_LENGTH),
    key: base64Of(MAPPING_KEY_LENGTH),
  })),
  load: v.nullish(LOAD),
  routes: v.nullish(v.pipe(v.array(PREFIX), v.maxLength(CLIENT_ROUTES_MAX)), []),
});

const STATUS = v.object({
  status: v.object({ load: v.nullish(LOAD, null), draining: v.nullish(v.boolean(), false) }),
});

const GRANT = v.pipe(
  GRANT_FIELDS,
  v.forward(
    v.check(({ client_ip, prefix4 }) => isClientIpv4(client_ip, prefix4)),
    ["client_ip"],
  ),
);

const REFUSAL = v.object({
  error: v.object({
    code: v.pipe(SHOWN_TEXT, v.minLength(1), v.maxLength(ERROR_CODE_LENGTH_MAX)),
    message: v.pipe(SHOWN_TEXT, v.maxLength(ERROR_MESSAGE_LENGTH_MAX)),
  }),
});

/** What a field must be, by its name on the wire. */
const RULES: Readonly<Record<string, string>> = {
  client_name: `leave client_name empty or send the certificate's common name, at most ` +
    `${CLIENT_NAME_LENGTH_MAX} characters`,
  features: `send features as at most ${FEATURES_MAX} words of at most ${FEATURE_LENGTH_MAX} ` +
    `printable ASCII characters`,
  client_version: `send client_version as at most ${CLIENT_VERSION_LENGTH_MAX} characters`,
  ask: `ask must be session or status`,
  session_id: `session_id must be an integer from 1 to ${U32_MAX}`,
  session_key: `session_key must be the base64 of exactly ${KEY_LENGTH} bytes`,
  udp_port: `udp_port must be an integer from 1 to ${PORT_MAX}`,
  udp_hosts: `udp_hosts must be at most ${UDP_HOSTS_MAX} names or addresses`,
  client_ip: `client_ip must be an IPv4 address such as 10.8.0.2, not the first, last or ` +
    `server's (.1) of its network`,
  client_ip6: `client_ip6 must be an IPv6 address such as fd00:8:0::2, not the server's (::1) of ` +
    `its /64`,
  prefix4: `prefix4 must be an integer from ${PREFIX4.min} to ${PREFIX4.max}`,
  prefix6: `prefix6 must be an integer from ${PREFIX6.min} to ${PREFIX6.max}`,
  mtu: `mtu must be an integer from ${TUN_MTU_MIN} to ${TUN_MTU_MAX}`,
  mapping:
    `mapping must have a port, and the base64 of a ticket of ${MAPPING_TICKET_LENGTH} bytes ` +
    `and of a key of ${MAPPING_KEY_LENGTH}`,
  load: "load must be a number from 0 to 1",
  routes: `routes must be at most ${CLIENT_ROUTES_MAX} prefixes such as 192.168.7.0/24`,
  status: "status must have a load from 0 to 1, and draining as true or false",
  error: `error must have a code of 1 to ${ERROR_CODE_LENGTH_MAX} characters and a message of at ` +
    `most ${ERROR_MESSAGE_LENGTH_MAX}`,
};

type Part = "request" | "response";

/** What the reader of each part is to do about it. */
const ADVICE: Readonly<Record<Part, string>> = {
  request: "send one complete JSON object with client_name",
  response: "check that the address and port are those of a Fluxify server's control port",
};

/** Reads a request as its bytes arrive. */
export function createRequestReader(): JsonObjectReader {
  return new JsonObjectReader(CONTROL_REQUEST_BYTES_MAX);
}

/** Reads a response as its bytes arrive. */
export function createResponseReader(): JsonObjectReader {
  return new JsonObjectReader(CONTROL_RESPONSE_BYTES_MAX);
}

/** Throws ControlMessageError and nothing else. */
export function parseRequest(object: JsonObject): ControlRequest {
  const fields = check(REQUEST, object, "request");
  return {
    clientName: fields.client_name,
    features: fields.features,
    clientVersion: fields.client_version,
    ...(fields.ask === "status" ? { ask: fields.ask } : {}),
  };
}

/** Throws ControlMessageError and nothing else. A refusal is an answer, not an error. */
export function parseResponse(object: JsonObject): ControlAnswer {
  if (object.error !== undefined && object.error !== null) {
    return { kind: "refusal", ...check(REFUSAL, object, "response").error };
  }
  if (object.status !== undefined && object.status !== null) {
    const { load, draining } = check(STATUS, object, "response").status;
    return { kind: "status", load, isDraining: draining };
  }
  const fields = check(GRANT, object, "response");
  return {
    kind: "grant",
    sessionId: fields.session_id,
    sessionKey: fields.session_key,
    udpPort: fields.udp_port,
    udpHosts: fields.udp_hosts,
    clientIp: fields.client_ip,
    clientIp6: fields.client_ip6,
    prefix4: fields.prefix4,
    prefix6: fields.prefix6,
    features: fields.features,
    mtu: fields.mtu,
    ...(fields.mapping == null ? {} : { mapping: fields.mapping }),
    ...(fields.load == null ? {} : { load: fields.load }),
    ...(fields.routes.length === 0 ? {} : { routes: fields.routes }),
  };
}

/** Reads a request that is there as a whole. Throws ControlMessageError and nothing else. */
export function decodeRequest(bytes: Uint8Array): ControlRequest {
  return parseRequest(readObject(createRequestReader(), bytes, "request"));
}

/** Reads a response that is there as a whole. Throws ControlMessageError and nothing else. */
export function decodeResponse(bytes: Uint8Array): ControlAnswer {
  return parseResponse(readObject(createResponseReader(), bytes, "response"));
}

/** The bytes to send. Throws ControlMessageError for what a peer would refuse. */
export function encodeRequest(request: ControlRequest): Uint8Array<ArrayBuffer> {
  const object = {
    client_name: request.clientName,
    features: request.features,
    client_version: request.clientVersion,
    ...(request.ask === "status" ? { ask: request.ask } : {}),
  };
  parseRequest(object);
  return encodeObject(object);
}

/** The bytes to send. Throws ControlMessageError for what a peer would refuse. */
export function encodeResponse(response: ControlAnswer): Uint8Array<ArrayBuffer> {
  const object = response.kind === "refusal"
    ? { error: { code: response.code, message: response.message } }
    : response.kind === "status"
    ? {
      status: {
        ...(response.load === null ? {} : { load: response.load }),
        draining: response.isDraining,
      },
    }
    : {
      session_id: response.sessionId,
      session_key: response.sessionKey.toBase64(),
      udp_port: response.udpPort,
      ...(response.udpHosts.length === 0 ? {} : { udp_hosts: response.udpHosts }),
      client_ip: response.clientIp,
      client_ip6: response.clientIp6,
      ...(response.prefix4 === PREFIX4.default ? {} : { prefix4: response.prefix4 }),
      ...(response.prefix6 === PREFIX6.default ? {} : { prefix6: response.prefix6 }),
      features: response.features,
      ...(response.mtu === null ? {} : { mtu: response.mtu }),
      ...(response.mapping === undefined ? {} : {
        mapping: {
          port: response.mapping.port,
          ticket: response.mapping.ticket.toBase64(),
          key: response.mapping.key.toBase64(),
        },
      }),
      ...(response.load === undefined ? {} : { load: response.load }),
      ...(response.routes === undefined ? {} : { routes: response.routes }),
    };
  parseResponse(object);
  return encodeObject(object);
}

/** For a reader that ended in `state`: why the message cannot be used, and what to do. */
export function unusable(
  part: Part,
  state: "incomplete" | "too large" | "malformed",
): ControlMessageError {
  const bytesMax = part === "request" ? CONTROL_REQUEST_BYTES_MAX : CONTROL_RESPONSE_BYTES_MAX;
  const causes = {
    "incomplete": "it ended before the JSON object did",
    "too large": `it is larger than ${bytesMax} bytes`,
    "malformed": "it is not a JSON object",
  };
  return new ControlMessageError(
    state,
    `Cannot use the control ${part}: ${causes[state]}; ${ADVICE[part]}`,
  );
}

function readObject(reader: JsonObjectReader, bytes: Uint8Array, part: Part): JsonObject {
  const result = reader.read(bytes);
  if (result.state === "complete") return result.object;
  throw unusable(part, result.state);
}

function check<Schema extends v.GenericSchema>(
  schema: Schema,
  object: JsonObject,
  part: Part,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, object, { abortEarly: true });
  if (result.success) return result.output;
  // Not the issue's own message: it would quote the value.
  const field = String(result.issues[0].path?.[0]?.key);
  const problem = RULES[field] ?? ADVICE[part];
  throw new ControlMessageError("invalid", `Cannot use the control ${part}: ${problem}`);
}

function integer(min: number, max: number) {
  return v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
}

function base64Of(length: number) {
  return v.pipe(
    v.string(),
    v.transform((text) => decodeBase64(text, length)),
    v.instance(Uint8Array),
  );
}

/** Null for anything but the base64 of `length` bytes, padded. */
function decodeBase64(text: string, length: number): Uint8Array | null {
  if (text.length !== Math.ceil(length / 3) * 4) return null;
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
    return bytes.length === length ? bytes : null;
  } catch {
    return null;
  }
}

function encodeObject(object: JsonObject): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(object));
}
