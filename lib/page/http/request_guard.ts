/**
 * What a request must be before anything of it is looked at: asked for by a name of ours (another
 * site's name can be made to lead here), and, where it is more than looking, by our own page.
 */

/** Why a request is refused. */
interface RequestRefusal {
  readonly status: 403 | 405 | 415;
  readonly text: string;
}

interface Allowed {
  /** As in a Host header, in lower case, without the port. */
  readonly hosts: ReadonlySet<string>;
  /** Null: any, as behind a unix socket. */
  readonly port: number | null;
  /** Null: either, as behind a unix socket. */
  readonly scheme: "http" | "https" | null;
}

/** What a browser puts where the page itself asks, or a person who typed the address. */
const OWN_SITES = [null, "same-origin", "none"];
const METHODS = ["GET", "HEAD", "POST"];

export class RequestGuard {
  readonly #allowed: Allowed;

  constructor(allowed: Allowed) {
    this.#allowed = allowed;
  }

  /** `authority`: of the request's URL; HTTP/2 has it in place of a Host. Null: it may go on. */
  check(method: string, headers: Headers, authority: string): RequestRefusal | null {
    if (!METHODS.includes(method)) return { status: 405, text: "GET and POST only" };
    const host = headers.get("host") ?? authority;
    if (!this.#isOwnHost(host)) {
      return { status: 403, text: "this page has another name: see -web-hosts" };
    }
    const origin = headers.get("origin");
    const isOwnSite = OWN_SITES.includes(headers.get("sec-fetch-site"));
    const isNavigation = method !== "POST" && headers.get("sec-fetch-mode") === "navigate";
    if (!isOwnSite && !isNavigation) return { status: 403, text: "asked for by another site" };
    if (origin !== null && !this.#isOwnOrigin(origin, host)) {
      return { status: 403, text: "asked for by another site" };
    }
    if (method !== "POST") return null;
    if (origin === null) return { status: 403, text: "a change needs an Origin" };
    // No form of another site can send this.
    const isJson = headers.get("content-type")?.split(";")[0]?.trim() === "application/json";
    return isJson ? null : { status: 415, text: "a change is sent as application/json" };
  }

  #isOwnHost(host: string): boolean {
    const [, name, port] = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(host.toLowerCase()) ?? [];
    if (name === undefined || !this.#allowed.hosts.has(name.replace(/^\[|\]$/g, ""))) return false;
    if (this.#allowed.port === null) return true;
    const usual = this.#allowed.scheme === "https" ? 443 : 80;
    return Number(port ?? usual) === this.#allowed.port;
  }

  #isOwnOrigin(origin: string, host: string): boolean {
    const { scheme } = this.#allowed;
    const schemes = scheme === null ? ["http", "https"] : [scheme];
    return schemes.some((one) => origin === `${one}://${host.toLowerCase()}`);
  }
}
