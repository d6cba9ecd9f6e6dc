/** The sessions of the portable engine: their ciphers are those of WebCrypto. */
import type * as engine from "../driver/sessions.ts";
import type { WebOpener, WebSealer } from "./web_crypto.ts";

export type SessionEntry = engine.SessionEntry<WebSealer, WebOpener>;
