import assert from "node:assert/strict";
import { PkiError, type PkiErrorCode } from "../../lib/pki/pki_error.ts";

/**
 * Runs `action`, which must be refused with `code` for `path`, in a message that names the path,
 * matches `message` and quotes no key. Returns the error for further checks.
 */
export async function refuses(
  action: () => unknown,
  code: PkiErrorCode,
  path: string,
  message: RegExp,
): Promise<PkiError> {
  let error: unknown;
  try {
    await action();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof PkiError, `refused as "${code}", got ${error}`);
  assert.equal(error.code, code, error.message);
  assert.equal(error.path, path);
  assert.match(error.message, message);
  assert.ok(error.message.includes(path), `"${error.message}" names ${path}`);
  assert.doesNotMatch(error.message, /\.$|PRIVATE KEY-----/);
  return error;
}
