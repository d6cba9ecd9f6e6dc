/** The session table of the portable engine: sessions whose ciphers are those of WebCrypto. */
import type { Session } from "../../protocol/session/session.ts";
import * as engine from "../driver/sessions.ts";
import type { WebOpener, WebSealer } from "./web_crypto.ts";

export type PortableSession = Session<WebSealer, WebOpener>;

export type SessionEntry = engine.SessionEntry<WebSealer, WebOpener>;
export const SessionEntry = engine.SessionEntry<WebSealer, WebOpener>;

export type SessionTable = engine.SessionTable<WebSealer, WebOpener>;
export const SessionTable = engine.SessionTable<WebSealer, WebOpener>;
