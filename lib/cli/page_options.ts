/** Where the page of a program is served, and to whom: `-web` and the flags beside it. */
import { Option } from "@commander-js/extra-typings";
import { X509Certificate } from "node:crypto";
import { BlockList, isIPv6 } from "node:net";
import { messageOf } from "../ffi/error_text.ts";
import { UsageError } from "./exit.ts";
import { parseHost } from "./host_name.ts";
import { parseList } from "./list.ts";
import { type ListenAddress, parseListenAddress } from "./listen_address.ts";
import { GROUPS, pathFor } from "./tunnel_options.ts";

/** A port of an address, or a unix socket. */
export type PageAddress = ListenAddress | { readonly path: string };

export interface PageOptions {
  readonly listen: PageAddress;
  /** With it the page is served over TLS, and may be on any address. */
  readonly certificate: { readonly certFile: string; readonly keyFile: string } | null;
  /** Names by which browsers may ask for it, besides localhost, the address, and the certificate's. */
  readonly hosts: readonly string[];
}

const UNIX = "unix:";
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

export const webOption = () =>
  new Option(
    "--web <address>",
    "serve a page for browsers, as in 127.0.0.1:8078 or unix:/run/page.sock (default: nowhere)",
  ).helpGroup(GROUPS.output).argParser((text) => parsePageAddress("-web", text));

export const webCertOption = () =>
  new Option(
    "--web-cert <file>",
    "certificate of the page, in PEM: TLS, and then other machines may reach it",
  ).helpGroup(GROUPS.output).argParser(pathFor("-web-cert"));

export const webKeyOption = () =>
  new Option("--web-key <file>", "private key of -web-cert, in PEM").helpGroup(GROUPS.output)
    .argParser(pathFor("-web-key"));

export const webHostsOption = () =>
  new Option(
    "--web-hosts <list>",
    "names by which browsers reach the page besides localhost and those of its certificate",
  ).helpGroup(GROUPS.output).argParser((text) =>
    parseList("-web-hosts", text, "refuse").map((host) => parseHost("-web-hosts", host))
  );

/** Values of the options above as commander collects them. */
export interface RawPageOptions {
  web?: PageAddress | undefined;
  webCert?: string | undefined;
  webKey?: string | undefined;
  webHosts?: string[] | undefined;
}

/** Null: no page is wanted. @throws UsageError for what does not go together. */
export function pageOptions(raw: RawPageOptions): PageOptions | null {
  const { web: listen, webCert: certFile, webKey: keyFile, webHosts: hosts = [] } = raw;
  const isBeside = certFile !== undefined || keyFile !== undefined || hosts.length > 0;
  if (listen === undefined) {
    if (!isBeside) return null;
    throw new UsageError("-web-cert, -web-key and -web-hosts need -web ADDRESS");
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new UsageError("-web-cert and -web-key belong together: give both or none");
  }
  const certificate = certFile === undefined || keyFile === undefined
    ? null
    : { certFile, keyFile };
  if (certificate === null && !isOfThisMachine(listen)) {
    throw new UsageError(
      "-web may leave this machine only with a certificate: give -web-cert and -web-key, or an " +
        "address such as 127.0.0.1:8078",
    );
  }
  if (certificate !== null && "path" in listen) {
    throw new UsageError("-web-cert is for an address: what is before a unix socket does the TLS");
  }
  return { listen, certificate, hosts };
}

/** @throws UsageError */
export function parsePageAddress(flag: string, text: string): PageAddress {
  if (!text.startsWith(UNIX)) return parseListenAddress(flag, text);
  const path = text.slice(UNIX.length);
  // sun_path has 108 bytes with the zero at its end: unix(7).
  if (path.startsWith("/") && new TextEncoder().encode(path).length <= 107) return { path };
  throw new UsageError(`${flag} must be unix: and a whole path of at most 107 bytes`);
}

function isOfThisMachine(listen: PageAddress): boolean {
  if ("path" in listen) return true;
  return LOOPBACK.check(listen.host, isIPv6(listen.host) ? "ipv6" : "ipv4");
}

/** The names and addresses a certificate is for, no wildcards. @throws Error that says what to do. */
export function namesOf(certPem: string): string[] {
  let names: string | undefined;
  try {
    names = new X509Certificate(certPem).subjectAltName;
  } catch (error) {
    throw new Error(`Cannot read the certificate of -web-cert: ${messageOf(error)}`);
  }
  return (names ?? "").split(", ").flatMap((entry) =>
    /^(?:DNS|IP Address):([^*]+)$/.exec(entry)?.[1] ?? []
  );
}
