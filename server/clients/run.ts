/** Runs a `client` command and prints what it says. */
import { SystemRunner } from "../../lib/host/command/runner.ts";
import { listInterfaces } from "../../lib/host/links/network_interface.ts";
import { findOverlaps, type Overlap } from "../../lib/host/links/network_overlap.ts";
import type { CommandOutcome } from "../certificates/certificate_command.ts";
import { inTree, writeOutcome } from "../certificates/run.ts";
import { listClients, setClient, showClient, unsetClient } from "./client_command.ts";
import type { ClientCommand } from "./client_options.ts";

export function runClientCommand(command: ClientCommand): Promise<number> {
  return writeOutcome(command.format, () => run(command));
}

async function run(command: ClientCommand): Promise<CommandOutcome> {
  const options = await inTree(command);
  switch (command.action) {
    case "set": {
      const { name, settings } = command;
      const overlaps = await overlapsOf(settings.routes ?? []);
      return await setClient({ ...options, name, settings, overlaps });
    }
    case "unset":
      return await unsetClient({ ...options, name: command.name, which: command.which });
    case "show":
      return await showClient({ ...options, name: command.name });
    case "list":
      return await listClients(options);
    default:
      return command satisfies never;
  }
}

/** The tunnel's network is among them while the server runs: its device has an address of it. */
async function overlapsOf(routes: readonly string[]): Promise<readonly Overlap[]> {
  if (routes.length === 0) return [];
  return findOverlaps(await listInterfaces(new SystemRunner()), "", routes);
}
