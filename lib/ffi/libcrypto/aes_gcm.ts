/**
 * AES-256-GCM (NIST SP 800-38D) of OpenSSL 3, in memory the caller owns.
 *
 * A context holds the expanded key, so a packet costs five calls and no key schedule. Nonces are 12
 * bytes, tags 16. The caller sees to it that a nonce is never used twice under a key.
 *
 * OpenSSL 3.0 calls ciphers of providers with parameters that it looks up by name: for a packet of
 * 1400 bytes that is a sixth of the time. A copy of the cipher that was made by EVP_CIPHER_meth_dup
 * is run by the same code without a provider, as in OpenSSL 1.1, so there it is used. Later versions
 * look up less, and their provider has faster code for new processors.
 */
import { pinnedBytes } from "../memory/arena.ts";
import { LIBCRYPTO_SYMBOLS } from "./symbols.ts";

const AES_256_KEY_LENGTH = 32;
const GCM_TAG_LENGTH = 16;
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const NULL = 0n;

type Library = Deno.DynamicLibrary<typeof LIBCRYPTO_SYMBOLS>;

/** libcrypto, loaded. One per thread. */
export class Libcrypto {
  readonly #library: Library;
  readonly #keyMemory = pinnedBytes(AES_256_KEY_LENGTH);
  /** Made with the first context. */
  #cipher = NULL;

  private constructor(library: Library) {
    this.#library = library;
  }

  /** @throws Error when libcrypto.so.3 (OpenSSL 3) is not on the machine. */
  static open(): Libcrypto {
    return new Libcrypto(Deno.dlopen("libcrypto.so.3", LIBCRYPTO_SYMBOLS));
  }

  unload(): void {
    this.#library.close();
  }

  sealer(key: Uint8Array): Sealer {
    return new Sealer(this.#library.symbols, this.#context("EVP_EncryptInit_ex", key));
  }

  opener(key: Uint8Array): Opener {
    return new Opener(this.#library.symbols, this.#context("EVP_DecryptInit_ex", key));
  }

  #context(init: "EVP_EncryptInit_ex" | "EVP_DecryptInit_ex", key: Uint8Array): bigint {
    if (key.length !== AES_256_KEY_LENGTH) {
      throw new RangeError(`Cannot use a key of ${key.length} bytes: AES-256 takes 32`);
    }
    const symbols = this.#library.symbols;
    const context = BigInt(symbols.EVP_CIPHER_CTX_new());
    if (context === NULL) throw new Error("Cannot make a cipher context: libcrypto has no memory");
    const memory = this.#keyMemory;
    memory.bytes.set(key);
    if (this.#cipher === NULL) this.#cipher = this.#findCipher();
    const result = symbols[init](context, this.#cipher, NULL, memory.address, NULL);
    memory.bytes.fill(0);
    if (result !== 1) {
      symbols.EVP_CIPHER_CTX_free(context);
      throw new Error("Cannot start AES-256-GCM in libcrypto");
    }
    return context;
  }

  /** The copy is never freed: contexts need it to the end, and there is one for each thread. */
  #findCipher(): bigint {
    const symbols = this.#library.symbols;
    const cipher = BigInt(symbols.EVP_aes_256_gcm());
    const looksUpMuch = symbols.OPENSSL_version_major() === 3 &&
      symbols.OPENSSL_version_minor() === 0;
    // Only a provider is certified.
    const needsProvider = symbols.EVP_default_properties_is_fips_enabled(NULL) === 1;
    if (!looksUpMuch || needsProvider) return cipher;
    return BigInt(symbols.EVP_CIPHER_meth_dup?.(cipher) ?? NULL) || cipher;
  }
}

/** A context of libcrypto with one expanded key. */
class KeyedContext {
  protected readonly symbols: Library["symbols"];
  protected readonly context: bigint;
  /** Where libcrypto writes how much it made; nobody reads it. */
  protected readonly outLength: bigint;
  readonly #length = pinnedBytes(8);
  #freed = false;

  constructor(symbols: Library["symbols"], context: bigint) {
    this.symbols = symbols;
    this.context = context;
    this.outLength = this.#length.address;
  }

  /** Wipes the key. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.symbols.EVP_CIPHER_CTX_free(this.context);
  }
}

/** Encrypts under one key. `free` wipes the key. */
export class Sealer extends KeyedContext {
  /**
   * Hot. Writes `length` bytes of ciphertext to `output` and the 16-byte tag to `tag`. All
   * arguments but the lengths are addresses; `input` may equal `output`. False when libcrypto fails.
   */
  seal(
    nonce: bigint,
    aad: bigint,
    aadLength: number,
    input: bigint,
    length: number,
    output: bigint,
    tag: bigint,
  ): boolean {
    const symbols = this.symbols;
    const context = this.context;
    const outLength = this.outLength;
    return symbols.EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce) === 1 &&
      symbols.EVP_EncryptUpdate(context, NULL, outLength, aad, aadLength) === 1 &&
      (length === 0 ||
        symbols.EVP_EncryptUpdate(context, output, outLength, input, length) === 1) &&
      symbols.EVP_EncryptFinal_ex(context, tag, outLength) === 1 &&
      symbols.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_LENGTH, tag) === 1;
  }
}

/** Decrypts and authenticates under one key. `free` wipes the key. */
export class Opener extends KeyedContext {
  /**
   * Hot. Writes `length` bytes of plaintext to `output`. False when the record is not authentic:
   * what `output` holds then must not be used. `input` may equal `output`.
   */
  open(
    nonce: bigint,
    aad: bigint,
    aadLength: number,
    input: bigint,
    length: number,
    output: bigint,
    tag: bigint,
  ): boolean {
    const symbols = this.symbols;
    const context = this.context;
    const outLength = this.outLength;
    return symbols.EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce) === 1 &&
      symbols.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_LENGTH, tag) === 1 &&
      symbols.EVP_DecryptUpdate(context, NULL, outLength, aad, aadLength) === 1 &&
      (length === 0 ||
        symbols.EVP_DecryptUpdate(context, output, outLength, input, length) === 1) &&
      symbols.EVP_DecryptFinal_ex(context, tag, outLength) === 1;
  }
}
