import type { TlsLibrary } from "./libssl.ts";

/** The certificate in DER that the peer of a session has shown; null for none. */
export function certificateOf(
  { ssl, crypto }: TlsLibrary,
  session: Deno.PointerValue,
): Uint8Array<ArrayBuffer> | null {
  const certificate = ssl.SSL_get1_peer_certificate(session);
  if (certificate === null) return null;
  try {
    const length = crypto.i2d_X509(certificate, null);
    if (length <= 0) return null;
    const bytes = new Uint8Array(length);
    // i2d_X509 moves the pointer that it is given the address of.
    const pointer = BigUint64Array.of(
      BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes))),
    );
    crypto.i2d_X509(certificate, new Uint8Array(pointer.buffer));
    return bytes;
  } finally {
    crypto.X509_free(certificate);
  }
}
