/** How the client reaches the server: by UDP, inside TLS, through a proxy. */
import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { GROUPS } from "../../lib/cli/tunnel_options.ts";
import { parseProxyUrl, ProxyError } from "../transport/proxy_setting.ts";

/** What carries the data plane: `auto` is UDP, and TLS on links over which UDP gets no answer. */
export type TransportMode = "auto" | "udp" | "tls";

const MODES: readonly TransportMode[] = ["auto", "udp", "tls"];

/** Where the proxy is told: a file or the environment keep its password from who lists processes. */
export type ProxySource =
  | { readonly from: "flag"; readonly url: string }
  | { readonly from: "environment" }
  | { readonly from: "file"; readonly path: string };

export const transportOption = () =>
  new Option(
    "--transport <how>",
    "what carries data: udp, tls (TCP, the control port), or auto: tls where udp fails",
  )
    .helpGroup(GROUPS.connection)
    .default("auto" as TransportMode, "auto")
    .argParser((text) => {
      const mode = MODES.find((mode) => mode === text);
      if (mode !== undefined) return mode;
      throw new UsageError(`-transport must be auto, udp or tls, not '${text}'`);
    });

export const proxyOption = () =>
  new Option(
    "--proxy <url>",
    "HTTP proxy to reach the server through: http://HOST:PORT, file:PATH that holds it, or env",
  )
    .helpGroup(GROUPS.connection)
    .argParser(parseProxySource);

/** Throws UsageError. */
export function parseProxySource(text: string): ProxySource {
  if (text === "env") return { from: "environment" };
  if (text.startsWith("file:")) {
    const path = text.slice("file:".length);
    if (path === "") throw new UsageError("-proxy file: needs the path of a file behind it");
    return { from: "file", path };
  }
  try {
    parseProxyUrl(text, "-proxy");
  } catch (error) {
    throw error instanceof ProxyError ? new UsageError(error.message) : error;
  }
  return { from: "flag", url: text };
}

/** How the server is reached. */
export interface TransportOptions {
  transport: TransportMode;
  /** Null: without a proxy. */
  proxy: ProxySource | null;
}

/** @throws UsageError for what does not go together. */
export function transportOptions(raw: {
  readonly transport: TransportMode;
  readonly proxy?: ProxySource;
}): TransportOptions {
  const { transport, proxy = null } = raw;
  if (transport === "udp" && proxy !== null) {
    throw new UsageError(
      "-proxy carries everything inside TLS: give -transport tls or auto with it, or no proxy",
    );
  }
  return { transport, proxy };
}
