/** The page as requests and answers. All that is told is told to who has logged in. */
import { renderSVG } from "uqr";
import { messageOf } from "../../ffi/error_text.ts";
import { Refusal } from "../../status/local_socket/message.ts";
import { ASSETS } from "../assets/assets.ts";
import type { HistoryStore } from "../history/history_store.ts";
import { RESOLUTIONS } from "../history/resolution.ts";
import type { LiveFeed } from "../live_feed.ts";
import type { Ask } from "../page_program.ts";
import type { PageStart } from "../pipe_message.ts";
import { AGE_MS, Logins } from "./logins.ts";
import { OneTimeFiles } from "./one_time_files.ts";
import { RequestGuard } from "./request_guard.ts";
import { answer, jsonAnswer, refuse } from "./responses.ts";

interface SiteParts {
  readonly start: PageStart;
  readonly ask: Ask;
  readonly feed: LiveFeed;
  readonly history: () => HistoryStore | null;
  /** performance.now() */
  readonly nowMs?: () => number;
}

/** What a new client gets, as the starter tells it. */
interface Issued {
  readonly name: string;
  readonly fileName: string;
  readonly bundle: string;
}

const BODY_BYTES_MAX = 4096;
/** A body of that size needs no longer on any link. */
const BODY_MS = 5_000;
const REFUSED_BODY_MS = 500;
const REQUESTS_MAX = 64;
/** Of one address: what hangs there leaves the page to others. */
const REQUESTS_OF_ONE_MAX = 32;
const LOG_LINES = 100;

export class PageSite {
  readonly #parts: SiteParts;
  readonly #nowMs: () => number;
  readonly #guard: RequestGuard;
  readonly #logins: Logins;
  readonly #files = new OneTimeFiles(newId);
  readonly #cookie: string;
  readonly #isSecure: boolean;
  #requests = 0;
  readonly #requestsFrom = new Map<string, number>();

  constructor(parts: SiteParts) {
    const { start } = parts;
    const { listen } = start;
    this.#parts = parts;
    this.#nowMs = parts.nowMs ?? (() => performance.now());
    this.#isSecure = start.certificate !== null;
    const isUnix = "path" in listen;
    this.#guard = new RequestGuard({
      hosts: new Set(start.hosts.map((host) => host.toLowerCase())),
      port: isUnix ? null : listen.port,
      scheme: isUnix ? null : this.#isSecure ? "https" : "http",
    });
    this.#logins = new Logins(start.token, newId);
    // Cookies know no ports: the pages of client and server on one machine have their own.
    this.#cookie = `${start.program}-${isUnix ? "unix" : listen.port}`;
  }

  /** `from`: the address that asks. Never rejects. */
  async handle(request: Request, from: string): Promise<Response> {
    const own = this.#requestsFrom.get(from) ?? 0;
    if (this.#requests >= REQUESTS_MAX || own >= REQUESTS_OF_ONE_MAX) {
      return refuse(503, "busy", "too many requests at a time");
    }
    this.#requests++;
    this.#requestsFrom.set(from, own + 1);
    try {
      const refusal = this.#guard.check(request.method, request.headers, authorityOf(request));
      if (refusal !== null) {
        // HTTP/2 resets a stream whose request was not read, and the answer may go with it.
        await readWithin(request, REFUSED_BODY_MS);
        return refuse(refusal.status, "refused", refusal.text);
      }
      const { pathname, searchParams } = new URL(request.url);
      return await (request.method === "POST"
        ? this.#change(pathname, request, from)
        : this.#look(pathname, searchParams, request));
    } catch (error) {
      if (error instanceof Refusal) return refuse(409, error.code, error.message);
      return refuse(500, "failed", messageOf(error));
    } finally {
      this.#requests--;
      const left = this.#requestsFrom.get(from)! - 1;
      if (left > 0) this.#requestsFrom.set(from, left);
      else this.#requestsFrom.delete(from);
    }
  }

  async #look(path: string, query: URLSearchParams, request: Request): Promise<Response> {
    const asset = ASSETS.get(path);
    if (asset !== undefined) return answer(asset.text, asset.type);
    if (path.startsWith("/once/")) return this.#once(path.slice("/once/".length), request);
    if (!path.startsWith("/api/")) return refuse(404, "not found", "there is no such page");
    const { start, feed, ask, history } = this.#parts;
    if (!this.#isLoggedIn(request)) return notLoggedIn();
    switch (path) {
      case "/api/about": {
        const { program, version, instance, actions } = start;
        return jsonAnswer({ program, version, instance, actions, hasHistory: history() !== null });
      }
      case "/api/live": {
        const stream = feed.watch();
        if (stream === null) return refuse(503, "busy", "too many pages are open: close one");
        return answer(stream, "text/event-stream");
      }
      case "/api/logs":
        return jsonAnswer(await ask("logs", { lines: LOG_LINES }));
      case "/api/clients":
        return jsonAnswer(await ask("clients"));
      case "/api/history": {
        const range = RESOLUTIONS.find((one) => one.range === query.get("range"))?.range;
        if (range === undefined) return refuse(400, "bad argument", "range: hour, day or month");
        const now = Date.now() / 1000;
        const points = history()?.points(range, query.get("name"), now) ?? [];
        return jsonAnswer({ names: history()?.names() ?? [], points });
      }
      case "/api/volumes":
        return jsonAnswer(history()?.volumes() ?? []);
      default:
        return refuse(404, "not found", "there is no such answer");
    }
  }

  async #change(path: string, request: Request, from: string): Promise<Response> {
    const body = await bodyOf(request);
    if (body === null) return refuse(400, "bad request", "a change is an object in JSON");
    if (path === "/api/login") return this.#logIn(String(body.token ?? ""), from);
    if (!this.#isLoggedIn(request)) return notLoggedIn();
    if (path === "/api/logout") {
      this.#logins.logOut(this.#sessionId(request));
      return jsonAnswer({}, { "set-cookie": this.#cookieText("", 0) });
    }
    const { start, ask, feed } = this.#parts;
    if (path !== "/api/act") return refuse(404, "not found", "there is no such change");
    const { action, arguments: args = {} } = body;
    if (typeof action !== "string" || !start.actions.includes(action)) {
      return refuse(400, "bad argument", "this page cannot do that");
    }
    if (typeof args !== "object" || args === null || Array.isArray(args)) {
      return refuse(400, "bad argument", "arguments must be an object");
    }
    const result = await ask(action, args as Record<string, unknown>);
    feed.hurry();
    return jsonAnswer(action === "issue" ? this.#handOver(result as Issued) : result);
  }

  /** The bundle is fetched from its address once, as a file or as a picture. */
  #handOver({ name, fileName, bundle }: Issued): unknown {
    const nowMs = this.#nowMs();
    const file = `/once/${this.#files.put({ name: fileName, text: bundle }, nowMs)}`;
    try {
      const picture = renderSVG(bundle, { ecc: "L", border: 2 });
      const qr = `/once/${this.#files.put({ name: `${name}.svg`, text: picture }, nowMs)}`;
      return { name, file, fileName, qr };
    } catch {
      return { name, file, fileName, qr: null }; // too much for one code
    }
  }

  #once(id: string, request: Request): Response {
    if (!this.#isLoggedIn(request)) return notLoggedIn();
    const file = this.#files.take(id, this.#nowMs());
    if (file === null) {
      return refuse(
        410,
        "gone",
        "it was fetched before, or ten minutes are over: renew the client",
      );
    }
    if (file.name.endsWith(".svg")) return answer(file.text, "image/svg+xml");
    const disposition = `attachment; filename="${file.name}"`;
    return answer(file.text, "application/octet-stream", { "content-disposition": disposition });
  }

  #logIn(token: string, from: string): Response {
    const result = this.#logins.logIn(token, from, this.#nowMs());
    switch (result.kind) {
      case "session":
        return jsonAnswer({}, { "set-cookie": this.#cookieText(result.id, AGE_MS / 1000) });
      case "wrong":
        return refuse(401, "wrong token", "that is not the token: take the link printed last");
      case "too many":
        return refuse(429, "busy", "too many wrong tokens: take the link printed last", {
          "retry-after": "60",
        });
      default:
        return result satisfies never;
    }
  }

  #cookieText(id: string, ageSeconds: number): string {
    const secure = this.#isSecure ? "; Secure" : "";
    return `${this.#cookie}=${id}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${ageSeconds}${secure}`;
  }

  #isLoggedIn(request: Request): boolean {
    return this.#logins.isLoggedIn(this.#sessionId(request), this.#nowMs());
  }

  #sessionId(request: Request): string {
    const cookies = request.headers.get("cookie")?.split("; ") ?? [];
    const start = `${this.#cookie}=`;
    return cookies.find((one) => one.startsWith(start))?.slice(start.length) ?? "";
  }
}

function notLoggedIn(): Response {
  return refuse(401, "not logged in", "log in with the link that the program prints");
}

function newId(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({ alphabet: "base64url" });
}

/** Null for what is too long, or no object in JSON. */
async function bodyOf(request: Request): Promise<Record<string, unknown> | null> {
  const bytes = await readWithin(request, BODY_MS);
  if (bytes === null) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

/** The host of the URL; "" where that is none, as a Host header may hold anything. */
function authorityOf(request: Request): string {
  try {
    return new URL(request.url).host;
  } catch {
    return "";
  }
}

/** Null where it is too much, or takes too long: its place among the requests is for others, too. */
async function readWithin(request: Request, limitMs: number): Promise<Uint8Array | null> {
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const timer = setTimeout(() => reader.cancel().catch(() => {}), limitMs);
  const endMs = performance.now() + limitMs;
  const bytes = new Uint8Array(BODY_BYTES_MAX);
  let length = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (length + next.value.length > BODY_BYTES_MAX) return null;
      bytes.set(next.value, length);
      length += next.value.length;
    }
    return performance.now() < endMs ? bytes.subarray(0, length) : null;
  } finally {
    clearTimeout(timer);
  }
}
