/** The socket of a running client: what it answers, in either mode. docs/control-socket.md. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { RecentLog } from "../../lib/cli/log_lines.ts";
import { VERSION } from "../../lib/cli/version.ts";
import type { BondStatus } from "../../lib/status/bond_status.ts";
import { type InstanceFacts, instanceFacts } from "../../lib/status/instance_facts.ts";
import type { ProgramSockets } from "../../lib/status/local_socket/instance.ts";
import type { SocketCommand } from "../../lib/status/local_socket/listener.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import { openProgramSocket } from "../../lib/status/local_socket/program_socket.ts";
import type { BalanceStatus } from "../balance/status.ts";
import { TUN_NAME } from "../config/bond_options.ts";
import { CLIENT_PROGRAM } from "../config/options.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

export const CLIENT_SOCKETS: ProgramSockets = { program: "client", usualName: TUN_NAME };

/** What the client does, by its mode. */
type ModeStatus =
  | { readonly mode: "bonding"; readonly bond: BondStatus }
  | { readonly mode: "load-balance"; readonly balance: BalanceStatus };

/** The answer to `status`. */
export type ClientStatus = InstanceFacts & ModeStatus & {
  /** `connecting` until it carries traffic for the first time. */
  readonly phase: "connecting" | "up";
};

/** The answer to `down`: what could not be undone, a sentence each. */
export interface DownResult {
  readonly failures: readonly string[];
}

interface ClientSocketParts {
  readonly instance: string;
  readonly socketGroup: string | null;
  readonly readStatus: () => Promise<ModeStatus>;
  /** Whether it has carried traffic. */
  readonly isUp: () => boolean;
  /** Ends the client as a signal does. */
  readonly stop: () => void;
  /** Of this mode, besides `status`, `down` and `logs`. */
  readonly commands: Readonly<Record<string, SocketCommand>>;
}

/**
 * To be disposed of when everything is undone: only then is `down` answered.
 * @throws Error when there is no such group.
 */
export async function openClientSocket(parts: ClientSocketParts): Promise<AsyncDisposable> {
  const { instance, socketGroup, readStatus, isUp, stop, commands } = parts;
  const ended = Promise.withResolvers<DownResult>();
  const facts = instanceFacts(
    { program: CLIENT_PROGRAM, version: VERSION, instance, processId: Deno.pid },
    new Date(),
    () => performance.now(),
  );
  const recent = new RecentLog();
  let since = Infinity;
  const socket = await openProgramSocket({
    sockets: CLIENT_SOCKETS,
    instance,
    group: socketGroup,
    recent,
    warn: (line) => log.warn("{line}", { line }),
    commands: {
      status: async (): Promise<ClientStatus> => ({
        ...facts(),
        phase: isUp() ? "up" : "connecting",
        ...await readStatus(),
      }),
      down: (_args, asker) => {
        log.info("told to stop by {asker}", { asker });
        since = recent.count;
        stop();
        return ended.promise;
      },
      ...commands,
    },
  });
  return {
    async [Symbol.asyncDispose]() {
      const failures = recent.since(since)
        .filter(({ level }) => level === "error" || level === "fatal")
        .map(({ text }) => text);
      ended.resolve({ failures });
      await socket[Symbol.asyncDispose]();
      recent[Symbol.dispose]();
    },
  };
}

/**
 * Gives `parts`, of which there are none while the client starts. What would be changed once it stops
 * would not be undone. @throws Refusal
 */
export function whileRunning<T>(parts: T | null, stopped: AbortSignal): T {
  if (stopped.aborted) throw new Refusal("not possible", "the client is stopping");
  if (parts !== null) return parts;
  throw new Refusal("not possible", "the client is starting: try again in a moment");
}

/** What load balancing has no tunnel for is refused with the reason. */
export function refusedCommands(names: readonly string[]): Record<string, SocketCommand> {
  return Object.fromEntries(names.map((name) => [name, () => {
    throw new Refusal(
      "not possible",
      `'${name}' is for bonding only: load-balance mode has no server; start again with other flags to change it`,
    );
  }]));
}
