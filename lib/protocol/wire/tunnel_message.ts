/**
 * The small JSON messages of data-plane type 4: they travel inside the tunnel, so they are sealed
 * and authenticated as packets are, and may get lost as packets may. A receiver ignores those it
 * does not know.
 */

import * as v from "valibot";

export const TUNNEL_MESSAGE_BYTES_MAX = 1024;
/** Paths of a session: their id is one byte. */
const PATHS_MAX = 256;

export type TunnelMessage =
  /** The sender stops: the session can be ended at once. */
  | { readonly type: "bye" }
  /** The client's paths that work, by id, each once: the server sends on no other. */
  | { readonly type: "paths"; readonly usable: readonly number[] };

const PATH_ID = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(PATHS_MAX - 1));

const MESSAGE = v.variant("type", [
  v.object({ type: v.literal("bye") }),
  v.object({
    type: v.literal("paths"),
    usable: v.pipe(
      v.array(PATH_ID),
      v.maxLength(PATHS_MAX),
      v.check((ids) => new Set(ids).size === ids.length),
    ),
  }),
]);

/** The plaintext to seal. Throws RangeError for path ids that are not 0 to 255, each once. */
export function encodeTunnelMessage(message: TunnelMessage): Uint8Array<ArrayBuffer> {
  if (!v.is(MESSAGE, message)) {
    throw new RangeError("Cannot encode a tunnel message: use path ids from 0 to 255, each once");
  }
  return new TextEncoder().encode(JSON.stringify(message));
}

/** Reads an opened payload; null for anything unknown or invalid. Never throws. */
export function decodeTunnelMessage(bytes: Uint8Array): TunnelMessage | null {
  if (bytes.byteLength > TUNNEL_MESSAGE_BYTES_MAX) return null;
  const result = v.safeParse(MESSAGE, parseJson(bytes), { abortEarly: true });
  return result.success ? result.output : null;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return null;
  }
}
