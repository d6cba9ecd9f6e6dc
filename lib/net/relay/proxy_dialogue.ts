/** Asks an HTTP proxy for a tunnel, on a socket that does not block. */
import { EAGAIN } from "../../ffi/libc/errno.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { pinnedBytes } from "../../ffi/memory/arena.ts";
import { ConnectAnswerReader } from "../../protocol/wire/http_connect.ts";
import type { StreamEnd } from "./message.ts";

const READ_BYTES = 2048;

export class ProxyDialogue {
  readonly #libc: Libc;
  readonly #tcp: number;
  readonly #request: { readonly bytes: Uint8Array<ArrayBuffer>; readonly address: bigint };
  readonly #answer = pinnedBytes(READ_BYTES);
  readonly #reader = new ConnectAnswerReader();
  #sent = 0;

  /** @param head the request; wiped when it is sent, as it may hold a password. */
  constructor(libc: Libc, tcp: number, head: Uint8Array<ArrayBuffer>) {
    this.#libc = libc;
    this.#tcp = tcp;
    this.#request = pinnedBytes(head.length);
    this.#request.bytes.set(head);
    head.fill(0);
  }

  /** What it waits for, that the tunnel is open, or why it will not be. */
  goOn(): "waits to read" | "waits to write" | "open" | StreamEnd {
    const { bytes, address } = this.#request;
    while (this.#sent < bytes.length) {
      const left = BigInt(bytes.length - this.#sent);
      const written = this.#libc.write(this.#tcp, address + BigInt(this.#sent), left);
      if (written === -EAGAIN) return "waits to write";
      if (written < 0) return { kind: "proxy nonsense" };
      this.#sent += written;
    }
    bytes.fill(0);
    for (;;) {
      const length = this.#libc.read(this.#tcp, this.#answer.address, BigInt(READ_BYTES));
      if (length === -EAGAIN) return "waits to read";
      if (length <= 0) return { kind: "proxy nonsense" };
      const answer = this.#reader.read(this.#answer.bytes.subarray(0, length));
      if (answer.kind === "open") return "open";
      if (answer.kind === "nonsense") return { kind: "proxy nonsense" };
      if (answer.kind === "refused") {
        return { kind: "proxy refused", status: answer.status, reason: answer.reason };
      }
    }
  }
}
