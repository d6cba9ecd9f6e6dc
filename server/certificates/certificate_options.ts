/** `fluxify-server cert`: what its command lines say. */
import { type Command, Option } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { requireNewClientName, requireStoredClientName } from "../../lib/pki/client_name.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";

/** What `cert` does, to whom, in which authority (null: where one is found). */
export type CertCommand =
  & { command: "cert"; pkiFolder: string | null; format: "text" | "json" }
  & (
    | { action: NamedAction; name: string }
    | { action: "delete"; name: string; which: "any" | "not in use" }
    | { action: "list" | "ca" }
    | { action: "init" | "regenerate"; hosts: string[] }
  );

type NamedAction = "new" | "show" | "revoke" | "renew";

/** What the commands share with others of the program. */
interface Shared {
  pkiOption(): Option<"--pki <folder>", undefined, undefined, undefined, false, string>;
  jsonOption(): Option<"--json">;
  hostsOption(): Option<"--hosts <list>", undefined, string[], undefined, true, string[]>;
  /** Refuses flags before the command that mean nothing to it. */
  refuseFlags(...known: string[]): void;
  /** `-pki` and `-hosts` may stand before the command, too. */
  folder(raw: { pki?: string | undefined }): string | null;
  hosts(raw: { hosts: string[] }): string[];
}

export function addCertCommands(
  program: Command,
  accept: (command: CertCommand) => void,
  shared: Shared,
): void {
  const cert = program.command("cert").description("client certificates");
  const given = (raw: { pki?: string; json?: true }, ...known: string[]) => {
    shared.refuseFlags(...known);
    const format = raw.json === true ? "json" as const : "text" as const;
    return { command: "cert" as const, pkiFolder: shared.folder(raw), format };
  };
  const command = (name: string, description: string) =>
    cert.command(name).description(description)
      .addOption(shared.pkiOption()).addOption(shared.jsonOption());
  for (
    const [action, description] of [
      ["new", "make a certificate for a client"],
      ["show", "show a client's certificate"],
      ["revoke", "refuse a client from now on"],
      ["renew", "revoke a client's certificate and make a new one"],
    ] as const
  ) {
    command(action, description).argument("<name>", "the client's name")
      .action((name, raw) =>
        accept({ ...given(raw), action, name: checkClientName(action, name) })
      );
  }
  command("delete", "remove the files of a client whose certificate is revoked or expired")
    .argument("<name>", "the client's name")
    .addOption(new Option("--force", "also one that is in use: it is revoked first"))
    .action((name, raw) => {
      const which = raw.force ? "any" : "not in use";
      accept({
        ...given(raw),
        action: "delete",
        name: checkClientName("delete", name),
        which,
      });
    });
  command("init", "make the certificate authority where there is none")
    .addOption(shared.hostsOption())
    .action((raw) => accept({ ...given(raw, "-hosts"), action: "init", hosts: shared.hosts(raw) }));
  command("regenerate", "make a new authority: every client needs a new certificate")
    .addOption(new Option("--yes", "do it: without, nothing is done"))
    .addOption(shared.hostsOption())
    .action((raw) => {
      const common = given(raw, "-hosts");
      if (!raw.yes) {
        throw new UsageError(
          "'cert regenerate' ends every client's certificate: add --yes to do it",
        );
      }
      accept({ ...common, action: "regenerate", hosts: shared.hosts(raw) });
    });
  for (
    const [action, description] of [
      ["list", "list the clients' certificates"],
      ["ca", "show the authority and the server's certificate"],
    ] as const
  ) {
    command(action, description).action((raw) => accept({ ...given(raw), action }));
  }
}

/** A new name follows our rule; an old one may come from another program's tree. */
function checkClientName(action: NamedAction | "delete", name: string): string {
  try {
    if (action === "new") requireNewClientName(name);
    else requireStoredClientName(name);
  } catch (error) {
    throw error instanceof PkiError ? new UsageError(error.message) : error;
  }
  return name;
}
