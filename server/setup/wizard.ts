/** The questions of `fluxify-server setup`: names, ports, the first client. */
import input from "@inquirer/input";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseHost } from "../../lib/cli/host_name.ts";
import { integerIn } from "../../lib/cli/integer.ts";
import { parseList } from "../../lib/cli/list.ts";
import { calledAs, inWordsOfCaller } from "../../lib/cli/called_as.ts";
import { CONTROL_PORT } from "../../lib/cli/tunnel_options.ts";
import { answerOf, printer, promptText } from "../../lib/cli/screen/terminal_text.ts";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import { listInterfaces } from "../../lib/host/links/network_interface.ts";
import { requireNewClientName } from "../../lib/pki/client_name.ts";
import { PKI_FOLDERS } from "../../lib/pki/pki_folder.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import { DEFAULT_NETWORK } from "../../lib/protocol/wire/tunnel_network.ts";
import { initAuthority, newCertificate } from "../certificates/certificate_command.ts";
import { SERVER_PROGRAM } from "../options.ts";
import { startsAsService } from "./service.ts";
import { nftCommands, openPorts, optionalPort } from "./firewall_text.ts";
import { isTunDevice, ownAddresses } from "./own_addresses.ts";

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
  printLine: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const context = { signal };
  const word = calledAs(SERVER_PROGRAM);
  const print = printer((line) => printLine(inWordsOfCaller(line, SERVER_PROGRAM, word)));
  print("Fluxify server: a few questions. Ctrl-C leaves without making anything.");
  const hosts = await input({
    message: promptText("Names and addresses clients reach this server by, with commas between:"),
    default: (await proposedHosts()).join(","),
    required: true,
    validate: (text) => answerOf(() => hostsIn(text), UsageError),
  }, context);
  const port = await askPort("UDP port for data:", "8000", context);
  const controlPort = await askPort("TCP port for control:", String(CONTROL_PORT), context);
  const client = await input({
    message: "Name of the first client (empty: none):",
    validate: (text) =>
      text.trim() === "" || answerOf(() => requireNewClientName(text.trim()), PkiError),
  }, context);
  const common = { directory, folders, format: "text", now: new Date() } as const;
  const outcomes = [await initAuthority({ ...common, hosts: hostsIn(hosts) })];
  const name = client.trim();
  if (name !== "") {
    outcomes.push(await newCertificate({ ...common, name, controlPort: Number(controlPort) }));
  }
  for (const { lines, errorLines } of outcomes) {
    for (const line of [...errorLines, ...lines]) print(line);
  }
  const worst = Math.max(...outcomes.map(({ exitCode }) => exitCode));
  if (worst !== 0) return worst;
  print("");
  print(`What is left: ${openPorts(controlPort, port)}. Where nft is the firewall:`);
  for (const command of nftCommands(controlPort, port)) print(`  ${command}`);
  print(
    "with your table and chain for filter and input; docs/operations.md has the commands for ufw, " +
      "firewalld and iptables",
  );
  print(optionalPort(controlPort));
  const flags = [
    `-hosts ${hostsIn(hosts).join(",")}`,
    ...port === "8000" ? [] : [`-port ${port}`],
    ...controlPort === String(CONTROL_PORT) ? [] : [`-ctrl ${controlPort}`],
  ];
  if (await startsAsService(directory, flags.join(" "), print, signal)) return 0;
  print("Then start it:");
  const isFound = (PKI_FOLDERS as readonly string[]).includes(directory);
  const words = [
    `sudo ${word}`,
    ...flags,
    ...isFound ? [] : [`-pki ${directory}`],
  ];
  print(`  ${words.join(" ")}`);
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
    validate: (text) => answerOf(() => parse(text.trim()), UsageError),
  }, context);
  return text.trim();
}

function hostsIn(text: string): string[] {
  return parseList("-hosts", text, "refuse")
    .map((host) => parseHost("-hosts", host));
}

/** An empty list where the machine cannot be asked: the question is asked all the same. */
async function proposedHosts(): Promise<string[]> {
  const interfaces = await listInterfaces(new SystemRunner()).catch(() => []);
  return ownAddresses(interfaces, isTunDevice, DEFAULT_NETWORK);
}
