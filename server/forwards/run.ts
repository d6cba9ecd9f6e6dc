/** Runs a `forward` command and prints what it says. */
import { listeningPorts } from "../../lib/host/links/listening_ports.ts";
import type { CommandOutcome } from "../certificates/certificate_command.ts";
import { inTree, writeOutcome } from "../certificates/run.ts";
import { addForward, listForwards, removeForward } from "./forward_command.ts";
import type { ForwardCommand } from "./forward_options.ts";

export function runForwardCommand(command: ForwardCommand): Promise<number> {
  return writeOutcome(command.format, () => run(command));
}

async function run(command: ForwardCommand): Promise<CommandOutcome> {
  const options = await inTree(command);
  switch (command.action) {
    case "add": {
      const { forward, mayTakeLocalPort } = command;
      const localPorts = await listeningPorts(forward.protocol);
      return await addForward({ ...options, forward, localPorts, mayTakeLocalPort });
    }
    case "remove":
      return await removeForward({ ...options, forward: command.forward });
    case "list":
      return await listForwards(options);
    default:
      return command satisfies never;
  }
}
