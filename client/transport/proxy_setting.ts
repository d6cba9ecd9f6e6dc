/** The HTTP proxy that the server is reached through. */
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { plainHost } from "../control/resolve_server.ts";
import type { ProxySource } from "../config/transport_options.ts";

const FILE_BYTES_MAX = 4096;
const PORT_DEFAULT = 80;
/** Of a file: anybody but its owner may read it. */
const READABLE_BY_OTHERS = 0o044;

/** A proxy cannot be used as it was given. Never shows a password. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
}

export interface ProxySetting {
  /** A name or an address. */
  readonly host: string;
  readonly port: number;
  /** Value of Proxy-Authorization, or null; a secret. */
  readonly authorization: string | null;
}

/** `where` it was given, for messages. @throws ProxyError */
export function parseProxyUrl(text: string, where: string): ProxySetting {
  const refuse = (what: string) => new ProxyError(`Cannot use ${where}: ${what}`);
  const form = "give it as http://HOST:PORT";
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `http://${text}`);
  } catch {
    throw refuse(`it is no address of a proxy; ${form}`);
  }
  if (url.protocol !== "http:") {
    const scheme = url.protocol.replace(/[^a-z0-9.+-]/g, "");
    throw refuse(
      `a proxy of the kind ${scheme} is not known here, only HTTP with CONNECT; ${form}`,
    );
  }
  if ((url.pathname !== "/" && url.pathname !== "") || url.search !== "" || url.hash !== "") {
    throw refuse(`there is more behind the port than there should be; ${form}`);
  }
  const host = plainHost(url.hostname);
  if (host === "") throw refuse(`it names no host; ${form}`);
  const port = url.port === "" ? PORT_DEFAULT : Number(url.port);
  if (port === 0) throw refuse(`there is no port 0; ${form}`);
  return { host, port, authorization: authorizationOf(url, refuse) };
}

function authorizationOf(
  { username, password }: URL,
  refuse: (what: string) => ProxyError,
): string | null {
  if (username === "" && password === "") return null;
  let credentials: string;
  try {
    credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    throw refuse("the user or the password has a % that is not of %XX: write it as %25");
  }
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(credentials)) {
    throw refuse("the user or the password has a control character");
  }
  return `Basic ${Buffer.from(credentials, "utf8").toString("base64")}`;
}

interface ProxyPlaces {
  readonly environment: (name: string) => string | undefined;
  readonly home: (path: string) => string;
}

interface FoundProxy {
  readonly proxy: ProxySetting;
  /** Warnings to show to the user. */
  readonly notices: readonly string[];
}

/** Reads the proxy from where it was told to be. @throws ProxyError */
export async function findProxy(
  source: ProxySource,
  { environment, home }: ProxyPlaces,
): Promise<FoundProxy> {
  if (source.from === "flag") {
    const proxy = parseProxyUrl(source.url, "-proxy");
    const notices = proxy.authorization === null ? [] : [
      "everybody on this machine can see the password in -proxy: put the address into a file and " +
      "give -proxy file:PATH",
    ];
    return { proxy, notices };
  }
  if (source.from === "environment") {
    const name = ["https_proxy", "HTTPS_PROXY"].find((name) => (environment(name) ?? "") !== "");
    if (name === undefined) {
      throw new ProxyError(
        "Cannot use -proxy env: https_proxy is not set; with sudo it is kept by 'sudo -E', or " +
          "give the address itself",
      );
    }
    return { proxy: parseProxyUrl(environment(name)!, name), notices: [] };
  }
  const path = home(source.path);
  const { text, mode } = await readSmallFile(path);
  const proxy = parseProxyUrl(text.trim(), path);
  const isOpen = proxy.authorization !== null && (mode & READABLE_BY_OTHERS) !== 0;
  return {
    proxy,
    notices: isOpen ? [`others can read the password in ${path}: chmod 600 it`] : [],
  };
}

async function readSmallFile(path: string): Promise<{ text: string; mode: number }> {
  try {
    const { size, mode, isFile } = await Deno.stat(path);
    if (!isFile || size > FILE_BYTES_MAX) {
      throw new ProxyError(`Cannot use ${path}: it should hold one line, http://HOST:PORT`);
    }
    return { text: await Deno.readTextFile(path), mode: mode ?? 0 };
  } catch (error) {
    if (error instanceof ProxyError) throw error;
    throw new ProxyError(`Cannot read the proxy from ${path}: ${messageOf(error)}`);
  }
}

/** `10.0.0.1:3128`, `[::1]:3128`: without what is secret. */
export function proxyPlace({ host, port }: ProxySetting): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
