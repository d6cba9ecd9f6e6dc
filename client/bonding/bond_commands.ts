/** What a bonding client does while it runs for whoever asks at its socket. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { Engine } from "../../lib/net/engine.ts";
import { COMPRESSION_MODES } from "../../lib/protocol/compression/compression_mode.ts";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import type { SocketCommand } from "../../lib/status/local_socket/listener.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import { numberOf, textOf, wordOf } from "../../lib/status/local_socket/program_socket.ts";
import { pingPaths, PINGS_MAX } from "../../lib/status/path_ping.ts";
import { parseDnsChoice } from "../config/bond_options.ts";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseRates, parseUses } from "../config/link_rules.ts";
import type { BondControls } from "./bond_observer.ts";
import { orRefuse } from "../local_socket/or_refuse.ts";
import { linksCommand } from "../local_socket/links_command.ts";

const PINGS = 5;

const log = getLogger([LOG_CATEGORY, "client"]);

export interface BondCommandParts {
  readonly engine: Pick<Engine, "report" | "probePaths">;
  readonly controls: BondControls;
  /** The session in use, or null. */
  readonly sessionId: () => number | null;
  readonly pause: (ms: number) => Promise<void>;
}

/** `parts` throws the Refusal while the client is not far enough to be told anything. */
export function bondCommands(
  parts: () => BondCommandParts,
): Readonly<Record<"set" | "links" | "ping", SocketCommand>> {
  let isPinging = false;
  return {
    set: async (args, asker) => {
      const { controls } = parts();
      const settings = ["scheduler", "compression", "dns", "rate", "link"] as const;
      const setting = wordOf(args, "setting", settings);
      if (setting === "dns") return await setDnsServers(controls, textOf(args, "value"), asker);
      if (setting === "rate" || setting === "link") {
        const value = textOf(args, "value");
        orRefuse(() =>
          setting === "rate"
            ? controls.useRates(parseRates(value))
            : controls.useUses(parseUses(value))
        );
        log.info("{setting} {value} is asked for by {asker}", { setting, value, asker });
        return { setting, value };
      }
      const words = setting === "scheduler" ? SCHEDULERS : COMPRESSION_MODES;
      const value = wordOf<string>(args, "value", words);
      log.info("{setting} {value} is asked for by {asker}", { setting, value, asker });
      if (setting === "scheduler") controls.useScheduler(wordOf(args, "value", SCHEDULERS));
      else controls.useCompression(wordOf(args, "value", COMPRESSION_MODES));
      return { setting, value };
    },
    links: linksCommand(() => parts().controls),
    ping: async (args) => {
      const { engine, sessionId, pause } = parts();
      const count = numberOf(args, "count", 1, PINGS_MAX, PINGS);
      const id = sessionId();
      if (id === null) throw new Refusal("not possible", "there is no session");
      // Each would count what the other has asked.
      if (isPinging) throw new Refusal("busy", "another ping is under way: try again later");
      isPinging = true;
      try {
        return { paths: await pingPaths(engine, id, { count, pause }) };
      } finally {
        isPinging = false;
      }
    },
  };
}

/** @throws Refusal */
async function setDnsServers(controls: BondControls, value: string, asker: string) {
  try {
    const servers = parseDnsChoice(value);
    log.info("DNS servers {value} are asked for by {asker}", { value, asker });
    await controls.useDns(servers);
    return { setting: "dns", value };
  } catch (error) {
    const code = error instanceof UsageError ? "bad argument" : "not possible";
    throw new Refusal(code, messageOf(error));
  }
}
