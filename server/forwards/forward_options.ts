/** `fluxify-server forward`: which ports of the machine go to clients. */
import { type Command, Option } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { integerIn, parseInteger } from "../../lib/cli/integer.ts";
import { canonicalPrefix } from "../../lib/host/links/address.ts";
import { requireStoredClientName } from "../../lib/pki/client_name.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import type { SharedOptions } from "../option_values.ts";
import { PORT_MAX, type PortForward, type Protocol, PROTOCOLS } from "./port_forward.ts";

export type ForwardCommand =
  & {
    readonly command: "forward";
    readonly pkiFolder: string | null;
    readonly format: "text" | "json";
  }
  & (
    | { readonly action: "list" }
    | { readonly action: "add"; readonly forward: PortForward; readonly mayTakeLocalPort: boolean }
    | { readonly action: "remove"; readonly forward: Pick<PortForward, "protocol" | "port"> }
  );

export function addForwardCommands(
  program: Command,
  accept: (command: ForwardCommand) => void,
  shared: SharedOptions,
): void {
  const forward = program.command("forward").description("ports of this machine for clients");
  const given = (action: string, raw: { pki?: string; json?: true }) => {
    shared.refuseFlags(`forward ${action}`);
    const format = raw.json === true ? "json" as const : "text" as const;
    return { command: "forward" as const, pkiFolder: shared.folder(raw), format };
  };
  const command = (name: "add" | "remove" | "list", description: string) =>
    forward.command(name).description(description)
      .addOption(shared.pkiOption()).addOption(shared.jsonOption());

  command("add", "send a port of this machine to a client")
    .argument("<protocol>", "tcp or udp", parseProtocol)
    .argument("<port>", `on this machine, 1 to ${PORT_MAX}`, parsePort)
    .argument("<name:port>", "the client's name, and its port", parseTarget)
    .addOption(
      new Option("--from <prefix>", "only what comes from there (default: from anywhere)")
        .argParser(parsePrefix),
    )
    .addOption(
      new Option("--take-local-port", "also where a program of this machine has the port"),
    )
    .action((protocol, port, target, raw) => {
      const from = raw.from ?? null;
      const mayTakeLocalPort = raw.takeLocalPort ?? false;
      const added = { protocol, port, ...target, from };
      accept({ ...given("add", raw), action: "add", forward: added, mayTakeLocalPort });
    });
  command("remove", "send a port of this machine to no client any more")
    .argument("<protocol>", "tcp or udp", parseProtocol)
    .argument("<port>", `on this machine, 1 to ${PORT_MAX}`, parsePort)
    .action((protocol, port, raw) =>
      accept({ ...given("remove", raw), action: "remove", forward: { protocol, port } })
    );
  command("list", "list the ports that go to clients")
    .action((raw) => accept({ ...given("list", raw), action: "list" }));
}

function parseProtocol(text: string): Protocol {
  const protocol = PROTOCOLS.find((each) => each === text.toLowerCase());
  if (protocol !== undefined) return protocol;
  throw new UsageError(`the protocol must be tcp or udp, not '${text}'`);
}

function parsePort(text: string): number {
  return integerIn("the port", 1, PORT_MAX)(text);
}

function parseTarget(text: string): Pick<PortForward, "client" | "clientPort"> {
  const [, client = "", port = ""] = /^(.+):(\d+)$/.exec(text) ?? [];
  const clientPort = parseInteger(port);
  if (clientPort === null || clientPort < 1 || clientPort > PORT_MAX) {
    throw new UsageError(
      `give the client's name and its port, 1 to ${PORT_MAX}, as in laptop:80, not '${text}'`,
    );
  }
  try {
    requireStoredClientName(client);
  } catch (error) {
    throw error instanceof PkiError ? new UsageError(error.message) : error;
  }
  return { client, clientPort };
}

function parsePrefix(text: string): string {
  try {
    return canonicalPrefix(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(
      `-from must be an address or a prefix, as in 192.0.2.0/24, not '${text}'`,
    );
  }
}
