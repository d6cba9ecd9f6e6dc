import * as v from "valibot";
import { PkiError } from "./pki_error.ts";

/** One revoked certificate. */
export interface Revocation {
  /** Upper-case hexadecimal without leading zeros. */
  serial: string;
  commonName: string;
  revokedAt: Date;
  /** When the certificate would have ended anyway. */
  notAfter: Date;
}

/** Keeps the signing of a CRL below some seconds, and the file below 4 MiB. */
export const REVOCATIONS_MAX = 4096;
/** In UTF-16 code units; ours have 64, other CAs' certificates may have more. */
export const COMMON_NAME_LENGTH_MAX = 256;
export const REVOCATION_FILE_BYTES_MAX = 4 * 1024 * 1024;

const Instant = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.transform((text) => new Date(text)),
  v.check((date) => !Number.isNaN(date.getTime())),
);

const RevocationSchema = v.object({
  serial: v.pipe(v.string(), v.regex(/^(0|[1-9A-F][0-9A-F]{0,63})$/)),
  commonName: v.pipe(v.string(), v.maxLength(COMMON_NAME_LENGTH_MAX)),
  revokedAt: Instant,
  notAfter: Instant,
});

const RevocationFile = v.object({
  version: v.literal(1),
  revoked: v.pipe(v.array(RevocationSchema), v.maxLength(REVOCATIONS_MAX)),
});

/** One revocation, as JSON has it; null when it is none. */
export function decodeRevocation(value: unknown): Revocation | null {
  const parsed = v.safeParse(RevocationSchema, value);
  return parsed.success ? parsed.output : null;
}

/** @throws {PkiError} "damaged" for anything but what {@link encodeRevocations} writes */
export function decodeRevocations(text: string, path: string): Revocation[] {
  try {
    return v.parse(RevocationFile, JSON.parse(text)).revoked;
  } catch (cause) {
    throw new PkiError(
      "damaged",
      path,
      `Cannot tell which certificates are revoked: ${path} is damaged; restore it from a backup, or remove it and revoked.pem and revoke the clients again`,
      { cause },
    );
  }
}

/** The text of `revoked.json`. */
export function encodeRevocations(revocations: readonly Revocation[]): string {
  return JSON.stringify({ version: 1, revoked: revocations }, null, 1) + "\n";
}

/**
 * `revocations` and `added`. When that is too many, those whose certificate has expired make room:
 * TLS refuses these for their date.
 * @throws {PkiError} "too many revocations"
 */
export function addRevocation(
  revocations: readonly Revocation[],
  added: Revocation,
  path: string,
  now: Date,
): Revocation[] {
  const all = [...revocations, added];
  if (all.length <= REVOCATIONS_MAX) return all;
  const needed = all.filter((entry) => entry.notAfter >= now);
  if (needed.length <= REVOCATIONS_MAX) return needed;
  throw new PkiError(
    "too many revocations",
    path,
    `Cannot revoke one more certificate: ${path} holds ${REVOCATIONS_MAX}; "fluxify-server -regen" makes a new CA, which none of the old certificates belong to`,
  );
}
