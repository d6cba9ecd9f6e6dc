/**
 * Remembers which batches the kernel refuses to segment (UDP_SEGMENT): all batches on a device without
 * checksum offload (EIO), and records that would need IP fragments.
 */
import { EIO } from "../../ffi/libc/errno.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";

/** Devices, routes and path MTUs change, so a refusal is forgotten after this. */
const REFUSED_MS = 10_000;

interface Limit {
  /** Records of so many bytes and more. */
  fromBytes: number;
  until: number;
}

export class GsoLimits {
  readonly #limits = new WeakMap<SessionPath, Limit>();
  #latest = -Infinity;

  /** Hot. Whether a batch of such records may be tried on the path. */
  allows(path: SessionPath, recordLength: number, now: number): boolean {
    if (now >= this.#latest) return true;
    const limit = this.#limits.get(path);
    return limit === undefined || now >= limit.until || recordLength < limit.fromBytes;
  }

  /** A batch was refused whose records could be sent one by one. */
  refused(path: SessionPath, recordLength: number, errno: number, now: number): void {
    const known = this.#limits.get(path);
    const before = known !== undefined && now < known.until ? known.fromBytes : Infinity;
    const fromBytes = errno === EIO ? 0 : Math.min(before, recordLength);
    this.#limits.set(path, { fromBytes, until: now + REFUSED_MS });
    this.#latest = Math.max(this.#latest, now + REFUSED_MS);
  }
}
