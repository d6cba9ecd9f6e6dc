/**
 * TLS of OpenSSL 3. The libraries are loaded once per thread; contexts and sessions are made from
 * here. OpenSSL keeps its errors in a queue of the thread: each call clears it before, and reads it
 * straight after a failure, so an error is always that of its own session.
 */
import { LIBSSL_SYMBOLS, TLS_LIBCRYPTO_SYMBOLS } from "./symbols.ts";

export interface TlsLibrary {
  readonly ssl: Deno.DynamicLibrary<typeof LIBSSL_SYMBOLS>["symbols"];
  readonly crypto: Deno.DynamicLibrary<typeof TLS_LIBCRYPTO_SYMBOLS>["symbols"];
}

let loaded: TlsLibrary | null = null;

/** Loads the libraries, at the first call. @throws Error that says what to install. */
export function tlsLibrary(): TlsLibrary {
  if (loaded !== null) return loaded;
  try {
    loaded = {
      ssl: Deno.dlopen("libssl.so.3", LIBSSL_SYMBOLS).symbols,
      crypto: Deno.dlopen("libcrypto.so.3", TLS_LIBCRYPTO_SYMBOLS).symbols,
    };
  } catch {
    throw new Error(
      "Cannot load libssl.so.3: install OpenSSL 3 (Debian, Ubuntu: apt-get install libssl3; " +
        "Fedora: dnf install openssl-libs)",
    );
  }
  return loaded;
}

/** Reads and empties the thread's queue of errors: the reason of the first one, or "". */
export function takeError({ crypto }: TlsLibrary): string {
  const code = crypto.ERR_get_error();
  crypto.ERR_clear_error();
  if (code === 0n) return "";
  return textAt(crypto.ERR_reason_error_string(code));
}

/** A C string; "" for a null pointer. */
export function textAt(pointer: Deno.PointerValue): string {
  return pointer === null ? "" : new Deno.UnsafePointerView(pointer).getCString();
}
