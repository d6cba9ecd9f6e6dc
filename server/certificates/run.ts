/** Runs a `cert` command and prints what it says. */
import { writeTo } from "../../lib/cli/output.ts";
import type { CertCommand } from "../options.ts";
import {
  type CommandOutcome,
  listCertificates,
  newCertificate,
  revokeCertificate,
  showCertificate,
} from "./certificate_command.ts";

export async function runCertCommand(command: CertCommand): Promise<number> {
  const { exitCode, lines, errorLines } = await outcome(command);
  for (const line of lines) writeTo(Deno.stdout, `${line}\n`);
  for (const line of errorLines) writeTo(Deno.stderr, `${line}\n`);
  return exitCode;
}

function outcome(command: CertCommand): Promise<CommandOutcome> {
  const options = { directory: command.pkiFolder, format: "text", now: new Date() } as const;
  switch (command.action) {
    case "new":
      return newCertificate({ ...options, name: command.name });
    case "show":
      return showCertificate({ ...options, name: command.name });
    case "revoke":
      return revokeCertificate({ ...options, name: command.name });
    case "list":
      return listCertificates(options);
    default:
      return command satisfies never;
  }
}
