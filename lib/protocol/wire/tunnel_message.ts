/**
 * The small JSON messages of data-plane type 4: they travel inside the tunnel, so they are sealed
 * and authenticated as packets are, and may get lost as packets may. A receiver ignores those it
 * does not know.
 */

import { PATH_IDS } from "./path_id.ts";
import { PATH_RATE_MAX, PATH_RATE_MIN, PATH_USES, type PathUse } from "./path_rule.ts";
import * as v from "valibot";
import { type SchedulerName, SCHEDULERS } from "./scheduler_name.ts";

export const TUNNEL_MESSAGE_BYTES_MAX = 1024;
/** As many as a session has paths. */
const PATH_RULES_MAX = 16;
export const PATH_RATES_MAX = 16;
const SPACE = 0x20;

/** A rule for what the server sends on a path of the client's. */
export interface PathRuleMessage {
  readonly id: number;
  /** Bytes a second at most. */
  readonly rate?: number | undefined;
  readonly use?: PathUse | undefined;
}

/** What a path was learned to carry from the server to the client, in bytes a second. */
export interface LearnedRateMessage {
  readonly id: number;
  readonly rate: number;
}

export type TunnelMessage =
  /** The sender stops: the session can be ended at once. */
  | { readonly type: "bye" }
  /** The server is about to stop: the client is to go to another one while this one still works. */
  | { readonly type: "leave" }
  /** The client's paths that work, by id, each once: the server sends on no other. */
  | {
    readonly type: "paths";
    readonly usable: readonly number[];
    /** How the client would have its packets spread. */
    readonly scheduler?: SchedulerName | undefined;
    /** The largest packet that all of the paths carry, in bytes. */
    readonly mtu?: number | undefined;
    /** What the operator has prescribed for paths; one that is not named has no rule. */
    readonly rules?: readonly PathRuleMessage[] | undefined;
  }
  /** What the server has learned that paths carry; or what the client remembers of that. */
  | { readonly type: "rates"; readonly rates: readonly LearnedRateMessage[] }
  /**
   * The server asks whoever is at a new address of a path to prove to be its peer. `seen` is that
   * address, as in `203.0.113.7:40000`; a server need not say it.
   */
  | { readonly type: "challenge"; readonly token: string; readonly seen?: string | undefined }
  /** The client's proof: the token, on the same path. */
  | { readonly type: "response"; readonly token: string }
  /** Padded with spaces to the size that is tried; the answer is as long. */
  | { readonly type: "mtu probe"; readonly size: number }
  | { readonly type: "mtu answer"; readonly size: number };

/** Who may send each; from the other side it is a bad message. */
export const SENT_BY: Readonly<Record<TunnelMessage["type"], "client" | "server" | "both">> = {
  "bye": "both",
  "leave": "server",
  "paths": "client",
  "rates": "both",
  "challenge": "server",
  "response": "client",
  "mtu probe": "client",
  "mtu answer": "server",
};

const PATH_ID = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(PATH_IDS - 1));

/** 16 random bytes in hexadecimal. */
const TOKEN = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
/** An address and a port; IPv6 in brackets. */
const SEEN = v.pipe(
  v.string(),
  v.regex(/^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]{2,39}\]):\d{1,5}$/),
);
const PACKET_SIZE = v.pipe(v.number(), v.integer(), v.minValue(68), v.maxValue(65_535));
/** Every host takes 576 bytes (RFC 791); less would have us cut packets into tiny fragments. */
const PATHS_MTU = v.pipe(v.number(), v.integer(), v.minValue(576), v.maxValue(65_535));

const RATE = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(PATH_RATE_MIN),
  v.maxValue(PATH_RATE_MAX),
);
const PATH_RULE = v.object({
  id: PATH_ID,
  rate: v.optional(RATE),
  use: v.optional(v.picklist(PATH_USES)),
});

const MESSAGE = v.variant("type", [
  v.object({ type: v.literal("bye") }),
  v.object({ type: v.literal("leave") }),
  v.object({
    type: v.literal("paths"),
    usable: v.pipe(
      v.array(PATH_ID),
      v.maxLength(PATH_IDS),
      v.check((ids) => new Set(ids).size === ids.length),
    ),
    scheduler: v.optional(v.picklist(SCHEDULERS)),
    mtu: v.optional(PATHS_MTU),
    rules: v.optional(v.pipe(
      v.array(PATH_RULE),
      v.maxLength(PATH_RULES_MAX),
      v.check((rules) => new Set(rules.map(({ id }) => id)).size === rules.length),
    )),
  }),
  v.object({
    type: v.literal("rates"),
    rates: v.pipe(
      v.array(v.object({ id: PATH_ID, rate: RATE })),
      v.maxLength(PATH_RATES_MAX),
      v.check((rates) => new Set(rates.map(({ id }) => id)).size === rates.length),
    ),
  }),
  v.object({ type: v.literal("challenge"), token: TOKEN, seen: v.optional(SEEN) }),
  v.object({ type: v.literal("response"), token: TOKEN }),
  v.object({ type: v.literal("mtu probe"), size: PACKET_SIZE }),
  v.object({ type: v.literal("mtu answer"), size: PACKET_SIZE }),
]);

/**
 * The plaintext to seal; probes and their answers are as long as their size says. Throws RangeError
 * for a message a peer would not understand.
 */
export function encodeTunnelMessage(message: TunnelMessage): Uint8Array<ArrayBuffer> {
  if (!v.is(MESSAGE, message)) {
    throw new RangeError(`Cannot encode a tunnel message: "${message.type}" has invalid fields`);
  }
  const text = JSON.stringify(message);
  return new TextEncoder().encode("size" in message ? text.padEnd(message.size) : text);
}

/** Reads an opened payload; null for anything unknown or invalid. Never throws. */
export function decodeTunnelMessage(bytes: Uint8Array): TunnelMessage | null {
  const end = endOfText(bytes);
  if (end > TUNNEL_MESSAGE_BYTES_MAX) return null;
  const result = v.safeParse(MESSAGE, parseJson(bytes.subarray(0, end)), { abortEarly: true });
  if (!result.success) return null;
  // A probe that is not as long as it says proves nothing.
  const isWhole = !("size" in result.output) || result.output.size === bytes.byteLength;
  return isWhole ? result.output : null;
}

/** Where the spaces begin that fill a message up. */
function endOfText(bytes: Uint8Array): number {
  let end = bytes.byteLength;
  while (end > 0 && bytes[end - 1] === SPACE) end--;
  return end;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return null;
  }
}
