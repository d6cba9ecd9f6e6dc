import { PkiError } from "./pki_error.ts";

/** One `-----BEGIN label-----` block of a PEM file (RFC 7468). */
export interface PemBlock {
  label: string;
  /** The block with its boundaries, LF line ends and a final LF. */
  text: string;
}

const BEGIN = "-----BEGIN ";
const DASHES = "-----";
const LABEL = /^[A-Z0-9][A-Z0-9 ]{0,63}$/;

/**
 * The PEM blocks of `text` in order; text around the blocks is ignored, as OpenSSL does.
 * @throws {PkiError} "not PEM" when there is no block, "damaged" when one is cut short
 */
export function parsePem(text: string, path: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (let from = text.indexOf(BEGIN); from !== -1; from = text.indexOf(BEGIN, from)) {
    const labelStart = from + BEGIN.length;
    const labelEnd = text.indexOf(DASHES, labelStart);
    const label = labelEnd === -1 ? "" : text.slice(labelStart, labelEnd);
    const end = `-----END ${label}-----`;
    const endStart = LABEL.test(label) ? text.indexOf(end, labelEnd) : -1;
    if (endStart === -1) {
      throw new PkiError(
        "damaged",
        path,
        `Cannot use ${path}: a PEM block in it is cut short; copy the file again from its source`,
      );
    }
    const blockEnd = endStart + end.length;
    blocks.push({ label, text: text.slice(from, blockEnd).replaceAll("\r", "") + "\n" });
    from = blockEnd;
  }
  if (blocks.length === 0) {
    throw new PkiError(
      "not PEM",
      path,
      `Cannot use ${path}: it is not a PEM file; it must hold a block that starts with ` +
        `"-----BEGIN ...-----" (convert DER with "openssl x509 -inform der" or "openssl pkey -inform der")`,
    );
  }
  return blocks;
}

/** The PEM text of `der`: 64 base64 characters a line. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
