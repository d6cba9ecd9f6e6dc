/** Runs a `cert` command and prints what it says. */
import { EXIT_OK } from "../../lib/cli/exit.ts";
import { writeTo } from "../../lib/cli/output.ts";
import { findPkiFolder, pkiFoldersFor } from "../../lib/pki/pki_folder.ts";
import { calledAs, inWordsOfCaller } from "../../lib/cli/called_as.ts";
import { type CertCommand, SERVER_PROGRAM } from "../options.ts";
import {
  type CommandOutcome,
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

export async function runCertCommand(command: CertCommand): Promise<number> {
  const { exitCode, lines, errorLines } = await outcomeOf(() => run(command));
  const word = calledAs(SERVER_PROGRAM);
  const write = (output: typeof Deno.stdout, text: string) =>
    writeTo(output, `${inWordsOfCaller(text, SERVER_PROGRAM, word)}\n`);
  for (const line of lines) {
    if (command.format === "json") writeTo(Deno.stdout, `${line}\n`);
    else write(Deno.stdout, line);
  }
  // What refuses names who does, as everywhere; a notice beside what was done does not.
  const front = exitCode === EXIT_OK ? "" : `${SERVER_PROGRAM}: `;
  for (const line of errorLines) write(Deno.stderr, front + line);
  return exitCode;
}

async function run(command: CertCommand): Promise<CommandOutcome> {
  const folders = command.pkiFolder === null
    ? pkiFoldersFor(Deno.uid())
    : [command.pkiFolder] as const;
  const directory = await findPkiFolder(folders);
  const options = { directory, folders, format: command.format, now: new Date() } as const;
  switch (command.action) {
    case "new":
      return await newCertificate({ ...options, name: command.name });
    case "init":
      return await initAuthority({ ...options, hosts: command.hosts });
    case "show":
      return await showCertificate({ ...options, name: command.name });
    case "revoke":
      return await revokeCertificate({ ...options, name: command.name });
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
