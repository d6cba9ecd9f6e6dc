/**
 * AES-256-GCM (NIST SP 800-38D) of WebCrypto, on whole records in place: header and nonce stand in
 * front of the text, the tag behind it.
 *
 * WebCrypto works with promises and a session does not, so a cipher is made at once and holds the
 * promise of its key. The key lies in memory that we cannot wipe; `free` drops the reference.
 */
import type { Cipher, CipherSuite } from "../../protocol/crypto/key_epochs.ts";
import { HEADER_LENGTH, PAYLOAD_OFFSET, TAG_LENGTH } from "../../protocol/wire/header.ts";

const ALGORITHM = "AES-GCM";
const AES_256_KEY_LENGTH = 32;

export const WEB_CRYPTO_SUITE: CipherSuite<WebSealer, WebOpener> = {
  sealer: (key) => new WebSealer(importKey(key, "encrypt")),
  opener: (key) => new WebOpener(importKey(key, "decrypt")),
};

/** A key, or null when WebCrypto does not take it. */
type ImportedKey = Promise<CryptoKey | null>;

async function importKey(key: Uint8Array, usage: "encrypt" | "decrypt"): ImportedKey {
  if (key.length !== AES_256_KEY_LENGTH) return null;
  const copy = new Uint8Array(key);
  try {
    return await crypto.subtle.importKey("raw", copy, ALGORITHM, false, [usage]);
  } catch {
    return null;
  } finally {
    copy.fill(0);
  }
}

/** Encrypts under one key. The caller sees to it that no nonce is used twice. */
export class WebSealer implements Cipher {
  #key: ImportedKey | null;

  constructor(key: ImportedKey) {
    this.#key = key;
  }

  /**
   * Seals a record in place: its text becomes ciphertext, and its last 16 bytes the tag. The record
   * must be left alone until then. False when it could not be sealed; never rejects.
   */
  async seal(record: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const key = await this.#key;
    if (key === null) return false;
    const text = record.subarray(PAYLOAD_OFFSET, record.length - TAG_LENGTH);
    try {
      const sealed = await crypto.subtle.encrypt(parameters(record), key, text);
      record.set(new Uint8Array(sealed), PAYLOAD_OFFSET);
      return true;
    } catch {
      return false;
    }
  }

  free(): void {
    this.#key = null;
  }
}

/** Decrypts and authenticates under one key. */
export class WebOpener implements Cipher {
  #key: ImportedKey | null;

  constructor(key: ImportedKey) {
    this.#key = key;
  }

  /**
   * Opens a record in place: its ciphertext becomes text. The record must be left alone until then.
   * False, and the record as it was, when it is not authentic; never rejects.
   */
  async open(record: Uint8Array<ArrayBuffer>): Promise<boolean> {
    const key = await this.#key;
    if (key === null) return false;
    try {
      const sealed = record.subarray(PAYLOAD_OFFSET);
      const text = await crypto.subtle.decrypt(parameters(record), key, sealed);
      record.set(new Uint8Array(text), PAYLOAD_OFFSET);
      return true;
    } catch {
      return false;
    }
  }

  free(): void {
    this.#key = null;
  }
}

function parameters(record: Uint8Array<ArrayBuffer>): AesGcmParams {
  return {
    name: ALGORITHM,
    iv: record.subarray(HEADER_LENGTH, PAYLOAD_OFFSET),
    additionalData: record.subarray(0, HEADER_LENGTH),
    tagLength: TAG_LENGTH * 8,
  };
}
