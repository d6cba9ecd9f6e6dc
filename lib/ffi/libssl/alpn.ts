/** The protocol of the application, agreed on in the handshake (ALPN, RFC 7301). */
import { pinnedBytes } from "../memory/arena.ts";
import type { TlsLibrary } from "./libssl.ts";

const SSL_TLSEXT_ERR_OK = 0;
/** Goes on as if nothing had been asked for. */
const SSL_TLSEXT_ERR_NOACK = 3;

const SELECTION = {
  // SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
  // unsigned int inlen, void *arg
  parameters: ["pointer", "pointer", "pointer", "pointer", "u32", "pointer"],
  result: "i32",
} as const;

type Selection = Deno.UnsafeCallback<typeof SELECTION>;

/** By protocol. Contexts keep the address, so they are there as long as the thread. */
const selections = new Map<string, Selection>();

/** What a client offers: one protocol, its length in front. */
export function offeredProtocols(protocol: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(protocol);
  return Uint8Array.of(name.length, ...name);
}

/**
 * A callback for SSL_CTX_set_alpn_select_cb that takes `protocol` where the client offers it. It is
 * called in the thread that has asked for it, in the course of a handshake.
 */
export function protocolSelection(protocol: string): Deno.PointerValue {
  const known = selections.get(protocol);
  if (known !== undefined) return known.pointer;
  const wanted = pinnedBytes(offeredProtocols(protocol).length);
  wanted.bytes.set(offeredProtocols(protocol));
  const callback = new Deno.UnsafeCallback(SELECTION, (_ssl, out, outLength, offered, length) => {
    if (out === null || outLength === null || offered === null) return SSL_TLSEXT_ERR_NOACK;
    const list = new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(offered, length));
    if (!offers(list, wanted.bytes)) return SSL_TLSEXT_ERR_NOACK;
    const target = new DataView(Deno.UnsafePointerView.getArrayBuffer(out, 8));
    target.setBigUint64(0, wanted.address + 1n, true);
    new DataView(Deno.UnsafePointerView.getArrayBuffer(outLength, 1))
      .setUint8(0, wanted.bytes.length - 1);
    return SSL_TLSEXT_ERR_OK;
  });
  selections.set(protocol, callback);
  return callback.pointer;
}

/** `list` is of names with their lengths in front; so is `wanted`. */
function offers(list: Uint8Array, wanted: Uint8Array): boolean {
  for (let at = 0; at < list.length; at += 1 + list[at]!) {
    const end = at + wanted.length;
    if (end <= list.length && wanted.every((byte, index) => byte === list[at + index])) return true;
  }
  return false;
}

/** What a session has agreed on; empty for nothing. */
export function selectedProtocol({ ssl }: TlsLibrary, session: Deno.PointerValue): string {
  const address = new BigUint64Array(1);
  const length = new Uint32Array(1);
  ssl.SSL_get0_alpn_selected(
    session,
    new Uint8Array(address.buffer),
    new Uint8Array(length.buffer),
  );
  const pointer = Deno.UnsafePointer.create(address[0]!);
  if (pointer === null) return "";
  return new TextDecoder().decode(Deno.UnsafePointerView.getArrayBuffer(pointer, length[0]!));
}
