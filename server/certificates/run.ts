/** Runs a `cert` command and prints what it says. */
import { EXIT_OK } from "../../lib/cli/exit.ts";
import { writeTo } from "../../lib/cli/output.ts";
import { findPkiFolder, pkiFoldersFor } from "../../lib/pki/pki_folder.ts";
import { calledAs, inWordsOfCaller } from "../../lib/cli/called_as.ts";
import { SERVER_PROGRAM } from "../options.ts";
import type { CertCommand } from "./certificate_options.ts";
import {
  type CertificateOptions,
  type CommandOutcome,
  deleteClient,
  initAuthority,
  listCertificates,
  newCertificate,
  outcomeOf,
  regenerateAuthority,
  renewCertificate,
  revokeCertificate,
  showAuthority,
  showCertificate,
} from "./certificate_command.ts";

export function runCertCommand(command: CertCommand): Promise<number> {
  return writeOutcome(command.format, () => run(command));
}

/** Prints what `command` says, and returns the exit code. */
export async function writeOutcome(
  format: "text" | "json",
  command: () => Promise<CommandOutcome>,
): Promise<number> {
  const { exitCode, lines, errorLines } = await outcomeOf(command);
  const word = calledAs(SERVER_PROGRAM);
  const write = (output: typeof Deno.stdout, text: string) =>
    writeTo(output, `${inWordsOfCaller(text, SERVER_PROGRAM, word)}\n`);
  for (const line of lines) {
    if (format === "json") writeTo(Deno.stdout, `${line}\n`);
    else write(Deno.stdout, line);
  }
  // What refuses names who does, as everywhere; a notice beside what was done does not.
  const front = exitCode === EXIT_OK ? "" : `${SERVER_PROGRAM}: `;
  for (const line of errorLines) write(Deno.stderr, front + line);
  return exitCode;
}

/** The options of a command about the tree that it names, or that is found. */
export async function inTree(
  { pkiFolder, format }: Pick<CertCommand, "pkiFolder" | "format">,
): Promise<CertificateOptions> {
  const folders = pkiFolder === null ? pkiFoldersFor(Deno.uid()) : [pkiFolder] as const;
  return { directory: await findPkiFolder(folders), folders, format, now: new Date() };
}

async function run(command: CertCommand): Promise<CommandOutcome> {
  const options = await inTree(command);
  switch (command.action) {
    case "new":
      return await newCertificate({ ...options, name: command.name });
    case "init":
      return await initAuthority({ ...options, hosts: command.hosts });
    case "show":
      return await showCertificate({ ...options, name: command.name });
    case "revoke":
      return await revokeCertificate({ ...options, name: command.name });
    case "delete":
      return await deleteClient({ ...options, name: command.name, which: command.which });
    case "renew":
      return await renewCertificate({ ...options, name: command.name });
    case "regenerate":
      return await regenerateAuthority({ ...options, hosts: command.hosts });
    case "ca":
      return await showAuthority(options);
    case "list":
      return await listCertificates(options);
    default:
      return command satisfies never;
  }
}
