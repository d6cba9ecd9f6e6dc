/** What kept the client from getting a session. */
export type ControlErrorCode =
  | "aborted"
  | "bad credentials"
  | "own certificate out of date"
  | "name not found"
  | "no link"
  | "unreachable"
  | "connection refused"
  | "proxy failed"
  | "timed out"
  | "not a control server"
  | "server certificate of another name"
  | "server certificate out of date"
  | "server certificate of another authority"
  | "client certificate refused"
  | "refused by the server"
  | "server speaks v1"
  | "malformed response"
  | "connection lost"
  | "no answer on the data port";

/** Of these the server itself, or our own bundle, is the witness; what else answers is not believed. */
const VERDICTS: ReadonlySet<ControlErrorCode> = new Set([
  "bad credentials",
  "own certificate out of date",
  "refused by the server",
]);

/** Why no session could be had. Code branches on `code` and `retryable`; people read the message. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly code: ControlErrorCode;
  /**
   * True when trying again may succeed though nobody changes anything on this machine; false when
   * its settings, its bundle or a decision of the server's operator stands in the way.
   */
  readonly retryable: boolean;
  /** The code of the server's own error object, when there is one. */
  readonly serverCode: string | null;

  constructor(
    code: ControlErrorCode,
    message: string,
    options: { retryable: boolean; serverCode?: string },
  ) {
    super(message);
    this.code = code;
    this.retryable = options.retryable;
    this.serverCode = options.serverCode ?? null;
  }

  /** Whether asking over another link or later cannot change it, whoever else may be on the way. */
  get isFinal(): boolean {
    return !this.retryable && VERDICTS.has(this.code);
  }
}

export function abortedError(): ControlError {
  return new ControlError("aborted", "Stopped waiting for the server: the request was cancelled", {
    retryable: false,
  });
}
