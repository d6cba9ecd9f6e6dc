/**
 * AES-256-GCM of libcrypto that keeps watch: it throws when a nonce is used twice under a key, and
 * when a key is used after it was wiped. One suite serves both peers, so that a nonce both of them
 * use under one key is found too.
 */
import { Libcrypto, type Opener, type Sealer } from "../../lib/ffi/libcrypto/aes_gcm.ts";
import { Arena } from "../../lib/ffi/memory/arena.ts";
import type { Cipher, CipherSuite } from "../../lib/protocol/crypto/key_epochs.ts";
import { HEADER_LENGTH, NONCE_LENGTH, PAYLOAD_OFFSET } from "../../lib/protocol/wire/header.ts";

const RECORD_BYTES_MAX = 4096;

export class RecordingSuite implements CipherSuite<RecordingSealer, RecordingOpener> {
  /** By key, in hex: the nonces it has sealed with. */
  readonly noncesByKey = new Map<string, Set<string>>();
  /** Ciphers made and not yet freed. */
  live = 0;
  readonly arena = new Arena(RECORD_BYTES_MAX);
  readonly #libcrypto = Libcrypto.open();

  sealer(key: Uint8Array): RecordingSealer {
    const hex = key.toHex();
    const nonces = this.noncesByKey.get(hex) ?? new Set();
    this.noncesByKey.set(hex, nonces);
    return new RecordingSealer(this, this.#libcrypto.sealer(key), nonces);
  }

  opener(key: Uint8Array): RecordingOpener {
    return new RecordingOpener(this, this.#libcrypto.opener(key));
  }
}

abstract class RecordingCipher<C extends Cipher> implements Cipher {
  #isFreed = false;

  constructor(readonly suite: RecordingSuite, readonly cipher: C) {
    suite.live++;
  }

  free(): void {
    if (this.#isFreed) throw new Error("a cipher was freed twice");
    this.#isFreed = true;
    this.suite.live--;
    this.cipher.free();
  }

  protected use(): void {
    if (this.#isFreed) throw new Error("a cipher was used after its key was wiped");
  }
}

export class RecordingSealer extends RecordingCipher<Sealer> {
  constructor(suite: RecordingSuite, cipher: Sealer, readonly nonces: Set<string>) {
    super(suite, cipher);
  }

  /** Seals the record that starts at byte 0 of the arena in place. */
  seal(payloadLength: number): void {
    this.use();
    const { arena } = this.suite;
    const { bytes } = arena;
    const nonce = bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + NONCE_LENGTH).toHex();
    if (this.nonces.has(nonce)) throw new Error(`nonce ${nonce} was used twice under one key`);
    this.nonces.add(nonce);
    const body = PAYLOAD_OFFSET;
    this.cipher.seal(
      arena.address(HEADER_LENGTH),
      arena.address(0),
      HEADER_LENGTH,
      arena.address(body),
      payloadLength,
      arena.address(body),
      arena.address(body + payloadLength),
    );
  }
}

export class RecordingOpener extends RecordingCipher<Opener> {
  /** Opens the record that starts at byte 0 of the arena in place. */
  open(payloadLength: number): boolean {
    this.use();
    const { arena } = this.suite;
    const body = PAYLOAD_OFFSET;
    return this.cipher.open(
      arena.address(HEADER_LENGTH),
      arena.address(0),
      HEADER_LENGTH,
      arena.address(body),
      payloadLength,
      arena.address(body),
      arena.address(body + payloadLength),
    );
  }
}
