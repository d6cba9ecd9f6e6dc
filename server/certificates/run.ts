/** Runs a `cert` command and prints what it says. */
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
  const print = (stream: { writeSync(bytes: Uint8Array): number }, text: string[]) =>
    text.forEach((line) => stream.writeSync(new TextEncoder().encode(`${line}\n`)));
  print(Deno.stdout, lines);
  print(Deno.stderr, errorLines);
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
