/** The questions of `fluxify-server setup`: names, ports, the first client. */
import input from "@inquirer/input";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseHost } from "../../lib/cli/host_name.ts";
import { integerIn } from "../../lib/cli/integer.ts";
import { parseList } from "../../lib/cli/list.ts";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import { listInterfaces } from "../../lib/host/links/network_interface.ts";
import { requireNewClientName } from "../../lib/pki/client_name.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import { initAuthority, newCertificate } from "../certificates/certificate_command.ts";

interface SetupOptions {
  readonly directory: string;
  readonly folders: readonly string[];
}

/**
 * Asks, makes the authority and the first client's certificate, and says what is left to do. `print`
 * shows a line. To be called on a terminal only. @throws an error of the prompts when it is left
 */
export async function runServerSetup(
  { directory, folders }: SetupOptions,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const context = { signal };
  print("Fluxify server: a few questions. Ctrl-C leaves without making anything.");
  const hosts = await input({
    message: "Names and addresses clients reach this server by, with commas between:",
    default: (await ownAddresses()).join(","),
    required: true,
    validate: (text) => refusalOf(() => hostsIn(text)) ?? true,
  }, context);
  const port = await askPort("UDP port for data:", "8000", context);
  const controlPort = await askPort("TCP port for control:", "8443", context);
  const client = await input({
    message: "Name of the first client (empty: none):",
    validate: (text) =>
      text.trim() === "" || (refusalOf(() => requireNewClientName(text.trim())) ?? true),
  }, context);
  const common = { directory, folders, format: "text", now: new Date() } as const;
  const outcomes = [await initAuthority({ ...common, hosts: hostsIn(hosts) })];
  const name = client.trim();
  if (name !== "") outcomes.push(await newCertificate({ ...common, name }));
  for (const { lines, errorLines } of outcomes) {
    for (const line of [...errorLines, ...lines]) print(line);
  }
  const worst = Math.max(...outcomes.map(({ exitCode }) => exitCode));
  if (worst !== 0) return worst;
  print("");
  print(
    `In the firewall of this machine, and of its provider, open TCP ${controlPort} and UDP ${port}:`,
  );
  print(`  nft add rule inet filter input tcp dport ${controlPort} accept`);
  print(`  nft add rule inet filter input udp dport ${port} accept`);
  print("Then start it:");
  print(
    `  sudo fluxify-server -hosts ${
      hostsIn(hosts).join(",")
    } -port ${port} -ctrl ${controlPort} -pki ${directory}`,
  );
  return 0;
}

async function askPort(
  message: string,
  otherwise: string,
  context: { signal: AbortSignal },
): Promise<string> {
  const parse = integerIn("the port", 1, 65535);
  const text = await input({
    message,
    default: otherwise,
    validate: (text) => refusalOf(() => parse(text.trim())) ?? true,
  }, context);
  return text.trim();
}

function hostsIn(text: string): string[] {
  return parseList("-hosts", text.replaceAll(" ", ""), "refuse")
    .map((host) => parseHost("-hosts", host));
}

/** Those that others can reach, should there be any. */
async function ownAddresses(): Promise<string[]> {
  const interfaces = await listInterfaces(new SystemRunner()).catch(() => []);
  return interfaces.filter(({ loopback }) => !loopback)
    .flatMap(({ addresses }) => addresses.filter(({ scope }) => scope === "global"))
    .map(({ address }) => address);
}

function refusalOf(parse: () => unknown): string | null {
  try {
    parse();
    return null;
  } catch (error) {
    if (error instanceof UsageError || error instanceof PkiError) return error.message;
    throw error;
  }
}
