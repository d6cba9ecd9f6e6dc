/**
 * What is said on the local socket: docs/control-socket.md. A request and an answer are a line of
 * JSON each. Nothing here throws for what the other side says.
 */

const SOCKET_VERSION = 1;
export const REQUEST_BYTES_MAX = 4096;
export const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const ID_MAX = 2 ** 31 - 1;

type ErrorCode =
  | "too long"
  | "bad request"
  | "unknown version"
  | "unknown command"
  | "bad argument"
  | "not possible"
  | "busy"
  | "too large"
  | "failed";

export type Arguments = Readonly<Record<string, unknown>>;

interface Request {
  readonly id: number;
  readonly command: string;
  readonly arguments: Arguments;
}

/** A request is refused. The message is for the person who asked. */
export class Refusal extends Error {
  override name = "Refusal";

  constructor(readonly code: ErrorCode, message: string) {
    super(message);
  }
}

export type Answer =
  | { readonly ok: true; readonly id: number; readonly result: unknown }
  | { readonly ok: false; readonly id: number | null; readonly code: string; message: string };

export function formatRequest({ id, command, arguments: args }: Request): string {
  return JSON.stringify({ v: SOCKET_VERSION, id, command, arguments: args }) + "\n";
}

/** Reads a line; what cannot be understood comes back as the answer to it. */
export function parseRequest(line: Uint8Array): Request | (Answer & { ok: false }) {
  const json = parseObject(line);
  if (json === null) return refusal(null, "bad request", "a request must be an object in JSON");
  const { v, id, command, arguments: args = {} } = json;
  const isId = Number.isInteger(id) && (id as number) >= 0 && (id as number) <= ID_MAX;
  if (!isId) {
    return refusal(null, "bad request", `a request must have an "id" from 0 to ${ID_MAX}`);
  }
  const known = id as number;
  if (v !== SOCKET_VERSION) {
    return refusal(known, "unknown version", `this program speaks version ${SOCKET_VERSION}`);
  }
  if (typeof command !== "string") {
    return refusal(known, "bad request", 'a request must have a "command"');
  }
  if (typeof args !== "object" || args === null || Array.isArray(args)) {
    return refusal(known, "bad request", '"arguments" must be an object');
  }
  return { id: known, command, arguments: args as Arguments };
}

export function refusal(
  id: number | null,
  code: ErrorCode,
  message: string,
): Answer & { ok: false } {
  return { ok: false, id, code, message };
}

/** A line, with its line feed; a refusal in place of an answer that is too large. */
export function formatAnswer(answer: Answer): Uint8Array {
  const bytes = new TextEncoder().encode(
    JSON.stringify({ v: SOCKET_VERSION, ...answer }) + "\n",
  );
  if (bytes.byteLength <= ANSWER_BYTES_MAX) return bytes;
  const message = `the answer is larger than ${ANSWER_BYTES_MAX} bytes: ask for less`;
  return formatAnswer(refusal(answer.id, "too large", message));
}

/** Null for what is no answer of this version. */
export function parseAnswer(line: Uint8Array): Answer | null {
  const json = parseObject(line);
  if (json === null || json.v !== SOCKET_VERSION) return null;
  const { ok, id, result, code, message } = json;
  if (ok === true && typeof id === "number") return { ok, id, result };
  if (ok !== false || typeof code !== "string" || typeof message !== "string") return null;
  return { ok, id: typeof id === "number" ? id : null, code, message };
}

function parseObject(line: Uint8Array): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
    const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
    return isObject ? json as Record<string, unknown> : null;
  } catch {
    return null;
  }
}
