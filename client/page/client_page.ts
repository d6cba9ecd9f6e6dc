/** The page of a client: what it shows, and what it may do. docs/page.md. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { PageOptions } from "../../lib/cli/page_options.ts";
import type { Reading } from "../../lib/page/history/history_store.ts";
import { ownCommandOutput } from "../../lib/page/own_output.ts";
import type { PageProgram } from "../../lib/page/page_program.ts";
import { type Page, startPage } from "../../lib/page/start_page.ts";
import { LocalConnection } from "../../lib/status/local_socket/ask.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import { TUN_NAME } from "../config/bond_options.ts";
import { describeClientProgram } from "../config/options.ts";
import { CLIENT_SOCKETS, type ClientStatus } from "../local_socket/client_socket.ts";

const log = getLogger([LOG_CATEGORY, "page"]);
const LIVE_EVERY_MS = 400;
const DIAG_MS = 120_000;
const UP_MS = 150_000;

interface ClientPageOptions {
  readonly page: PageOptions;
  readonly instance: string;
  /** A page of the client itself ends with it, so it has no start. */
  readonly servedBy: "client" | "web";
  /** Flags that name server and certificate where no settings are saved. */
  readonly diagFlags: readonly string[];
}

/** @throws Error that says why there is no page. */
export function openClientPage(options: ClientPageOptions): Promise<Page> {
  const { page, instance, servedBy, diagFlags } = options;
  const isKnown = (name: string) =>
    describeClientProgram().commands.some((command) => command.name() === name);
  const name = instance === TUN_NAME ? [] : ["-name", instance];
  const start = async () => {
    await ownCommandOutput(["up", ...name], UP_MS);
    return {};
  };
  return startPage({
    sockets: CLIENT_SOCKETS,
    instance,
    page,
    looks: ["status", "logs"],
    changes: ["down", "links", "set"],
    own: {
      diag: async () => {
        const flags = diagFlags.length > 0 ? diagFlags : await flagsOf(instance);
        const text = await ownCommandOutput(["diag", "-json", ...flags], DIAG_MS);
        return JSON.parse(text);
      },
      ...servedBy === "web" && isKnown("up") ? { up: start } : {},
    },
    warn: (line) => log.warn("{line}", { line }),
  });
}

/** The server of the client that runs; none where the saved settings have to do. */
async function flagsOf(instance: string): Promise<string[]> {
  try {
    using connection = await LocalConnection.open(CLIENT_SOCKETS, instance);
    const status = await connection.ask("status") as ClientStatus;
    return status.mode === "bonding" ? ["-server", status.bond.server] : [];
  } catch {
    return [];
  }
}

/** For the process of the page. */
export const CLIENT_PAGE: PageProgram = {
  liveEveryMs: LIVE_EVERY_MS,
  read: async (ask) => ({ status: await ask("status") }),
  readings: (live) => readingsOf((live as { status: ClientStatus }).status),
};

function readingsOf(status: ClientStatus): Reading[] {
  const run = status.startedAt;
  switch (status.mode) {
    case "bonding": {
      const { links, session } = status.bond;
      return links.map(({ name, traffic }) => {
        const path = session?.paths.find((one) => one.name === name);
        return {
          ...{ name, run },
          receivedBytes: traffic.receivedBytes,
          sentBytes: traffic.sentBytes,
          rttMs: path?.rttMs ?? null,
          loss: path?.loss ?? null,
          isUp: path?.state === "up",
        };
      });
    }
    case "load-balance":
      return status.balance.uplinks.map(({ name, families, receivedBytes, sentBytes }) => {
        const family = families[4] ?? families[6];
        const isUp = family !== null && family.problem === null && family.state === "healthy";
        const { rttMs = null, loss = null } = family ?? {};
        return { name, run, receivedBytes, sentBytes, rttMs, loss, isUp };
      });
    default:
      status satisfies never;
      throw new Refusal("not possible", "the client is of another version");
  }
}
