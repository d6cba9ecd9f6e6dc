import { PkiError } from "./pki_error.ts";

/** 64 is the limit of a common name (RFC 5280, ub-common-name). */
const NEW_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;
// deno-lint-ignore no-control-regex
const STORED_NAME = /^[^.\-/\x00-\x1f\x7f][^/\x00-\x1f\x7f]{0,199}$/;

/** `NAME-key.pem` is the key of NAME, so a client of that name would overwrite it. */
const KEY_SUFFIX = "-key";

/**
 * Accepts the name of a new client: it becomes a common name and a file name.
 * @throws {PkiError} "bad name"
 */
export function requireNewClientName(name: string): void {
  if (NEW_NAME.test(name) && !name.endsWith(KEY_SUFFIX)) return;
  throw new PkiError(
    "bad name",
    "",
    `Cannot use ${
      quote(name)
    } as a client name: use 1 to 64 letters, digits, ".", "_" or "-", not starting with "." or "-" and not ending with "-key"`,
  );
}

/** Whether files of a client of this name can lie in `clients/`; wider than for a new one. */
export function isStoredClientName(name: string): boolean {
  return STORED_NAME.test(name) && !name.endsWith(KEY_SUFFIX);
}

/**
 * Accepts the name of a client that may exist; other programs' trees hold names we would not give.
 * @throws {PkiError} "bad name" for what could leave the directory or confuse a terminal
 */
export function requireStoredClientName(name: string): void {
  if (isStoredClientName(name)) return;
  throw new PkiError(
    "bad name",
    "",
    `Cannot look for a client named ${quote(name)}: "cert list" shows the names there are`,
  );
}

function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}
