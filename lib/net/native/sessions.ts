/** The session table of the native engine: sessions whose ciphers are those of libcrypto. */
import type { Opener, Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import type { Session } from "../../protocol/session/session.ts";
import * as engine from "../driver/sessions.ts";

export type NativeSession = Session<Sealer, Opener>;

export type SessionEntry = engine.SessionEntry<Sealer, Opener>;
export const SessionEntry = engine.SessionEntry<Sealer, Opener>;

export type SessionTable = engine.SessionTable<Sealer, Opener>;
export const SessionTable = engine.SessionTable<Sealer, Opener>;
