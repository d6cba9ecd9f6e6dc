/** `links` at the socket, in either mode: changes links as the screen does, one at a time. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import { InterfaceError, listInterfaces } from "../../lib/host/links/network_interface.ts";
import type { SocketCommand } from "../../lib/status/local_socket/listener.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import { textOf, wordOf } from "../../lib/status/local_socket/program_socket.ts";
import { deviceOf } from "../config/unmatched_names.ts";
import { LINK_NAME_MAX } from "../config/link_rules.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** The links of a mode that runs. */
export interface RunningLinks {
  /** Their names at the moment. */
  readonly links: readonly string[];
  /** These from now on, by name. @throws InterfaceError that says why it cannot be. */
  useLinks(names: readonly string[]): void;
}

/** What `links` answers. */
export interface LinksResult {
  readonly links: readonly string[];
  /** Whether the machine has the link's interface now; null: that cannot be told. */
  readonly isPresent: boolean | null;
}

/**
 * `running` throws the Refusal while nothing can be changed; `devices` are the interfaces there are.
 */
export function linksCommand(
  running: () => RunningLinks,
  devices = interfaceNames,
): SocketCommand {
  return async (args, asker): Promise<LinksResult> => {
    const mode = running();
    const action = wordOf(args, "action", ["add", "remove"]);
    const link = textOf(args, "link");
    if (link.length > LINK_NAME_MAX) {
      throw new Refusal("bad argument", "that is no name of a link");
    }
    const { links } = mode;
    if (action === "add" && links.includes(link)) {
      throw new Refusal("not possible", `${link} is a link already`);
    }
    if (action === "remove" && !links.includes(link)) {
      throw new Refusal("not possible", `${link} is no link; there are: ${links.join(", ")}`);
    }
    try {
      mode.useLinks(
        action === "add" ? [...links, link] : links.filter((one) => one !== link),
      );
    } catch (error) {
      if (error instanceof InterfaceError) throw new Refusal("not possible", error.message);
      throw error;
    }
    const done = action === "add" ? "added" : "removed";
    log.info("link {link} is {done} by {asker}", { link, done, asker });
    const { links: after } = mode;
    const present = await devices().catch(() => null);
    return { links: after, isPresent: present?.includes(deviceOf(link)) ?? null };
  };
}

async function interfaceNames(): Promise<string[]> {
  return (await listInterfaces(new SystemRunner())).map(({ name }) => name);
}
