/** What kind of refusal a {@link PkiError} is. Code branches on it; people read the message. */
export type PkiErrorCode =
  | "already revoked"
  | "bad host"
  | "bad name"
  | "client settings"
  | "damaged"
  | "disk full"
  | "encrypted key"
  | "expired"
  | "foreign CA"
  | "foreign link"
  | "in use"
  | "incomplete bundle"
  | "incomplete tree"
  | "key mismatch"
  | "locked"
  | "name taken"
  | "no bundle"
  | "no CA key"
  | "no such client"
  | "not PEM"
  | "not found"
  | "not writable"
  | "not yet valid"
  | "port forward"
  | "several bundles"
  | "too many revocations"
  | "unreadable"
  | "unsupported key"
  | "write failed"
  | "wrong clock"
  | "wrong usage";

/**
 * A file or request of the PKI was refused. The message names the file, what is wrong with it and
 * how to mend it; it never holds key material.
 */
export class PkiError extends Error {
  override readonly name = "PkiError";
  readonly code: PkiErrorCode;
  /** The file or directory meant, or "" when a name or host was refused. */
  readonly path: string;

  constructor(code: PkiErrorCode, path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}
