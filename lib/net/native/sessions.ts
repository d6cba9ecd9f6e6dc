/** The sessions of the native engine: their ciphers are those of libcrypto. */
import type { Opener, Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import type * as engine from "../driver/sessions.ts";

export type SessionEntry = engine.SessionEntry<Sealer, Opener>;
