import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import type { Certificate } from "./certificate.ts";
import type { PemBlock } from "./pem.ts";
import { PkiError } from "./pki_error.ts";

/** A private key as its file holds it: PKCS#8, PKCS#1 (RSA) or SEC 1 (EC), all of which TLS takes. */
export interface PrivateKey {
  path: string;
  /** The key's own block, without what else the file holds. */
  pem: string;
  key: KeyObject;
}

const KEY_LABELS = new Set(["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]);

/**
 * The first private key among `blocks`, or undefined.
 * @throws {PkiError} "encrypted key" for one with a passphrase, "damaged" for one that is no key
 */
export function findPrivateKey(blocks: readonly PemBlock[], path: string): PrivateKey | undefined {
  for (const { label, text } of blocks) {
    if (label === "ENCRYPTED PRIVATE KEY" || text.includes("Proc-Type: 4,ENCRYPTED")) {
      throw new PkiError(
        "encrypted key",
        path,
        `Cannot use the key in ${path}: it is protected by a passphrase; write it without one: "openssl pkey -in ${path} -out NEW-FILE"`,
      );
    }
    if (KEY_LABELS.has(label)) return { path, pem: text, key: parseKey(text, path) };
  }
  return undefined;
}

/** As {@link findPrivateKey}, but a file without a key is refused as "damaged". */
export function requirePrivateKey(blocks: readonly PemBlock[], path: string): PrivateKey {
  const key = findPrivateKey(blocks, path);
  if (key !== undefined) return key;
  const found = blocks.map((block) => block.label).join(", ");
  throw new PkiError(
    "damaged",
    path,
    `Cannot use ${path}: it holds no private key but ${found}; put the key file there`,
  );
}

/** A new ECDSA P-256 key: its PKCS#8 PEM and its public half (SubjectPublicKeyInfo, DER). */
export function generateKey(): { pem: string; spki: Uint8Array<ArrayBuffer> } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    pem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
  };
}

/** The public half of `key`: SubjectPublicKeyInfo, DER. */
export function spkiOf(key: PrivateKey): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createPublicKey(key.key).export({ type: "spki", format: "der" }));
}

/** Whether `certificate` certifies `key`. */
export function keyMatches(key: PrivateKey, certificate: Certificate): boolean {
  const certified = certificate.x509.publicKey.export({ type: "spki", format: "der" });
  return certified.equals(spkiOf(key));
}

/**
 * How a CA with this key (either half) signs, or null for a kind that cannot be used: TLS and the
 * certificate checks here verify RSA and ECDSA over P-256 and P-384 only.
 */
export function caKeyAlgorithm(key: KeyObject): EcKeyImportParams | RsaHashedImportParams | null {
  if (key.asymmetricKeyType === "rsa") return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  switch (key.asymmetricKeyDetails?.namedCurve) {
    case "prime256v1":
      return { name: "ECDSA", namedCurve: "P-256" };
    case "secp384r1":
      return { name: "ECDSA", namedCurve: "P-384" };
    default:
      return null;
  }
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // No cause: a parser's message might quote the key.
    throw new PkiError(
      "damaged",
      path,
      `Cannot use the key in ${path}: it is damaged or of an unknown kind; copy the file again from its source`,
    );
  }
}
