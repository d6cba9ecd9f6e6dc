/**
 * The `fluxify-server cert` commands as values: options in, lines and an exit code out. They read
 * and write the PKI directory and nothing else; a running server notices by itself what they
 * change. Each refusal of the PKI becomes one line and exit code 1; any other error is a defect
 * and is thrown.
 */
import { isIP } from "node:net";
import { basename } from "node:path";
import { CONTROL_PORT } from "../../lib/cli/tunnel_options.ts";
import { FAMILIES } from "../../lib/host/links/address.ts";
import { formatDate } from "../../lib/pki/certificate.ts";
import { requireNewClientName } from "../../lib/pki/client_name.ts";
import { openClientRegistry } from "../../lib/pki/client_registry.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import { DEFAULT_HOSTS } from "../../lib/pki/server_host.ts";
import { openServerPki } from "../../lib/pki/server_pki.ts";
import { removeForwardsTo } from "../forwards/forward_file.ts";
import { type SeenClient, withLastSeen } from "./seen_client.ts";
import { readAuthority } from "./authority_facts.ts";
import { formatTable } from "../../lib/cli/table.ts";
import { EXIT_OK } from "../../lib/cli/exit.ts";

/** Options that all commands share. */
export interface CertificateOptions {
  /** The server's PKI directory (`-pki`). */
  directory: string;
  /** Where it was looked for. */
  folders: readonly string[];
  /** Print JSON, dates as ISO 8601, for programs. */
  format: "text" | "json";
  now: Date;
}

interface NamedCertificateOptions extends CertificateOptions {
  /** The client's name. */
  name: string;
}

export interface CommandOutcome {
  exitCode: typeof EXIT_OK | typeof EXIT_REFUSED;
  /** For standard output. */
  lines: string[];
  /** For standard error: notices, or the refusal. */
  errorLines: string[];
}

const EXIT_REFUSED = 1;

/** `cert init`: makes the CA and the server's certificate where there is no CA. */
export function initAuthority(
  options: CertificateOptions & { hosts: readonly string[] },
): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, hosts, now } = options;
    const pki = await openServerPki(directory, { hosts: [...hosts], regenerate: false, now });
    const text = pki.created
      ? [`"fluxify-server cert new NAME -pki ${directory}" makes a certificate for a client`]
      : [`There is a CA in ${directory} already; it stays as it is`];
    return withNotices(options, { directory, created: pki.created }, pki.notices, text);
  });
}

/** `cert regenerate`: a new CA and server certificate; the old tree is kept as a backup. */
export function regenerateAuthority(
  options: CertificateOptions & { hosts: readonly string[] },
): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, hosts, now } = options;
    const pki = await openServerPki(directory, { hosts: [...hosts], regenerate: true, now });
    const forwards = await forgetForwards(directory, () => true);
    const text = [
      ...forwards.lines,
      `"fluxify-server cert new NAME -pki ${directory}" makes each client's new one`,
    ];
    return withNotices(options, { directory }, [...pki.notices, ...forwards.errorLines], text);
  });
}

/** `cert ca`: the CA and the server's certificate, with names and dates. */
export function showAuthority(options: CertificateOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const authority = await readAuthority(options.directory);
    const { ca, server } = authority;
    const rows = [
      ["CA", `${printable(ca.commonName)}, until ${formatDate(ca.notAfter)}`],
      ["CA file", ca.path],
      ["Server certificate", `until ${formatDate(server.notAfter)}, serial ${server.serial}`],
      ["For", server.names.map(printable).join(", ") || "no names"],
      ["Server file", server.path],
    ];
    return { lines: render(options, authority, formatTable(null, rows)), errorLines: [] };
  });
}

/** `cert renew NAME`: revokes what the client has, and issues a new certificate. */
export function renewCertificate(options: NamedCertificateOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, name, now } = options;
    requireNewClientName(name);
    const registry = await openClientRegistry(directory, options.folders);
    await registry.requireIssuer(now);
    const { revocations, notices } = await registry.revoke(name, now);
    const issued = await registry.issue(name, now).catch((error) => {
      if (!(error instanceof PkiError)) throw error;
      const message = `The old certificate of ${name} is revoked, and there is no new one: ` +
        `${error.message}; then "fluxify-server cert new ${name}" makes it`;
      throw new PkiError(error.code, error.path, message, { cause: error });
    });
    const text = [
      `Certificate of ${name} renewed: serial ${issued.serial}, valid until ${
        formatDate(issued.notAfter)
      }`,
      `The old one is refused from now on: copy ${issued.bundlePath} to the client over a safe channel`,
    ];
    return { lines: render(options, { ...issued, revocations }, text), errorLines: notices };
  });
}

/** `cert new NAME`: issues a client certificate. */
export function newCertificate(
  options: NamedCertificateOptions & {
    /** Of the server; the usual one unless given. */ controlPort?: number;
  },
): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, name, now, controlPort = CONTROL_PORT } = options;
    requireNewClientName(name);
    const registry = await openClientRegistry(directory, options.folders);
    const issued = await registry.issue(name, now);
    const { serial, notAfter, bundlePath } = issued;
    const text = [
      `Certificate for ${name} issued: serial ${serial}, valid until ${formatDate(notAfter)}`,
      `Copy ${bundlePath} to the client over a safe channel: it holds the client's private key`,
      "On the client:",
      `  sudo fluxify-client -b -server ${await serverWord(directory)}${
        controlPort === CONTROL_PORT ? "" : ` -ctrl ${controlPort}`
      } -cert ${name}.bundle`,
    ];
    return { lines: render(options, issued, text), errorLines: [] };
  });
}

/** `cert list`: all clients, then revoked certificates that have no file any more. */
export function listCertificates(options: CertificateOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, now } = options;
    const registry = await openClientRegistry(directory, options.folders);
    const { clients, problem } = await withLastSeen(directory, await registry.list(now));
    const text = clients.length === 0
      ? [`There are no clients in ${directory} yet: "fluxify-server cert new NAME" makes one`]
      : formatTable(["NAME", "SERIAL", "EXPIRES", "STATUS", "LAST SEEN"], clients.map(rowOf));
    const errorLines = problem === null ? [] : [problem];
    return { lines: render(options, clients, text), errorLines };
  });
}

/** `cert show NAME`: everything about one client's certificate. */
export function showCertificate(options: NamedCertificateOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, name, now } = options;
    const registry = await openClientRegistry(directory, options.folders);
    const client = await registry.show(name, now);
    const rows = [
      ["Name", client.name],
      ["Common name", printable(client.commonName)],
      ["Serial", client.serial],
      ["Status", client.status],
      ["Revoked", client.revokedAt === null ? "no" : formatDate(client.revokedAt)],
      ["Created", formatDate(client.createdAt)],
      ["Valid from", formatDate(client.notBefore)],
      ["Valid until", formatDate(client.notAfter)],
      ["SHA-256", client.fingerprint],
      ["Certificate", client.certPath],
      ["Bundle", client.bundlePath ?? "none"],
      ["Revoked before", client.revokedEarlier.join(", ") || "none"],
      ["Same name", client.others.map(printable).join(", ") || "none"],
    ];
    return { lines: render(options, client, formatTable(null, rows)), errorLines: [] };
  });
}

/** `cert revoke NAME`: a running server ends the client's session and refuses it from then on. */
export function revokeCertificate(options: NamedCertificateOptions): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, name, now } = options;
    const registry = await openClientRegistry(directory, options.folders);
    const { revocations, notices } = await registry.revoke(name, now);
    const names = new Set([name, ...revocations.map(({ commonName }) => commonName)]);
    const forwards = await forgetForwards(directory, (client) => names.has(client));
    const text = [
      ...revocations.map(({ serial }) => `Certificate of ${name} revoked: serial ${serial}`),
      ...forwards.lines,
      `A running server ends its session within a second or two; "fluxify-server cert new ${name}" issues a new certificate`,
    ];
    return {
      lines: render(options, { name, revocations }, text),
      errorLines: [...notices, ...forwards.errorLines],
    };
  });
}

/** `cert delete NAME`: removes the client's files; what was revoked stays so. */
export function deleteClient(
  options: NamedCertificateOptions & {
    /** "any": one that is in use is revoked first. */ which: "any" | "not in use";
  },
): Promise<CommandOutcome> {
  return outcomeOf(async () => {
    const { directory, name, now, which } = options;
    const registry = await openClientRegistry(directory, options.folders);
    const inUse = await registry.serialsInUse(name, now);
    const { revocations, notices } = which === "any" && inUse.length > 0
      ? await registry.revoke(name, now)
      : { revocations: [], notices: [] };
    const files = await registry.deleteFiles(name, now);
    const forwards = await forgetForwards(directory, (client) => client === name);
    const text = [
      ...revocations.map(({ serial }) => `Certificate of ${name} revoked: serial ${serial}`),
      ...files.map((path) => `Removed ${path}`),
      ...forwards.lines,
      `${name} is deleted; what was revoked of it stays on the list until it expires`,
    ];
    return {
      lines: render(options, { name, revocations, files }, text),
      errorLines: [...notices, ...forwards.errorLines],
    };
  });
}

/** Whatever is wrong with the forwardings, the certificate is revoked. */
async function forgetForwards(
  directory: string,
  isGone: (client: string) => boolean,
): Promise<Pick<CommandOutcome, "lines" | "errorLines">> {
  try {
    const line = await removeForwardsTo(directory, isGone);
    return { lines: line === null ? [] : [line], errorLines: [] };
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return { lines: [], errorLines: [error.message] };
  }
}

/** What `command` says; a refusal of the PKI is its outcome, too. */
export async function outcomeOf(
  command: () => Promise<Pick<CommandOutcome, "lines" | "errorLines"> & Partial<CommandOutcome>>,
): Promise<CommandOutcome> {
  try {
    return { exitCode: EXIT_OK, ...await command() };
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return { exitCode: EXIT_REFUSED, lines: [], errorLines: [error.message] };
  }
}

/** What was done stands before what to do next; programs get it beside their JSON. */
function withNotices(
  options: CertificateOptions,
  value: unknown,
  notices: string[],
  text: string[],
): Pick<CommandOutcome, "lines" | "errorLines"> {
  return options.format === "json"
    ? { lines: render(options, value, text), errorLines: notices }
    : { lines: [...notices, ...text], errorLines: [] };
}

/** What a client calls the server by, as its certificate has it. */
async function serverWord(directory: string): Promise<string> {
  try {
    return serverToName((await readAuthority(directory)).server.names);
  } catch (error) {
    if (!(error instanceof PkiError)) throw error;
    return serverToName([]); // what is wrong with it, "cert ca" tells
  }
}

/** A name, else an address of each family; `HOST` where `names` are of no use to other machines. */
export function serverToName(names: readonly string[]): string {
  const reached = names.filter((name) =>
    !DEFAULT_HOSTS.includes(name) && !name.startsWith("127.") && name !== "::1" &&
    !name.startsWith("*")
  );
  const name = reached.find((each) => isIP(each) === 0);
  const addresses = FAMILIES.flatMap((family) =>
    reached.find((each) => isIP(each) === family) ?? []
  );
  return name ?? (addresses.join(",") || "HOST");
}

/** The value as JSON, or the lines for people. */
export function render({ format }: CertificateOptions, value: unknown, text: string[]): string[] {
  return format === "json" ? [JSON.stringify(value)] : text;
}

function rowOf({ name, certPath, serial, notAfter, status, lastSeen }: SeenClient): string[] {
  const expires = notAfter === null ? "-" : formatDate(notAfter);
  const file = basename(certPath);
  const shown = file === "" || file === `${name}.pem` ? name : `${name} (${file})`;
  const seen = lastSeen === null ? "-" : formatDate(lastSeen);
  return [printable(shown), serial || "-", expires, status, seen];
}

/** Names of other programs' certificates may hold anything, also what steers a terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "?");
}
