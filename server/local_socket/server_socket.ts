/** The socket of a running server: what it answers. docs/control-socket.md. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { RecentLog } from "../../lib/cli/log_lines.ts";
import { VERSION } from "../../lib/cli/version.ts";
import { type InstanceFacts, instanceFacts } from "../../lib/status/instance_facts.ts";
import type { ProgramSockets } from "../../lib/status/local_socket/instance.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import {
  numberOf,
  openProgramSocket,
  textOf,
} from "../../lib/status/local_socket/program_socket.ts";
import type { ServerMonitor, ServerStatus, SessionStatus } from "../../lib/status/server_status.ts";
import type { Drain } from "../drain.ts";
import type { ForwardCount } from "../forwards/forward_keeper.ts";
import { SERVER_PROGRAM } from "../options.ts";
import type { SessionRegistry } from "../sessions/session_registry.ts";
import type { PresentClient, ServerStore, StoreStatus } from "../store/server_store.ts";
import { TUN_NAME } from "../tun.ts";

const log = getLogger([LOG_CATEGORY, "server"]);

export const SERVER_SOCKETS: ProgramSockets = { program: "server", usualName: TUN_NAME };

/** Sessions in one answer: with 16 paths each they are half of what an answer may be. */
const SESSIONS_PER_ANSWER = 250;

/** With names of 256 characters they are half of what an answer may be. */
const PRESENT_PER_ANSWER = 1000;

/** The answer to `status`. */
export type ServerAnswer = InstanceFacts & ServerStatus & {
  readonly portForwards: ForwardCount;
  /** Why the settings of clients in force may be old; null: they are not. */
  readonly settingsProblem: string | null;
  readonly store: StoreStatus;
  /** Whether it moves its clients away and takes none. */
  readonly isDraining: boolean;
};

/** The answer to `present`, as of `sessions`. */
export interface PresentAnswer {
  readonly clients: readonly PresentClient[];
  readonly isMore: boolean;
}

/** The answer to `drain`: clients that are still connected. */
export interface DrainAnswer {
  readonly isDraining: boolean;
  readonly sessions: number;
}

/** The answer to `sessions`: ask again `after` the last name while there are more. */
export interface SessionsAnswer {
  readonly sessions: readonly SessionStatus[];
  readonly isMore: boolean;
}

interface ServerSocketParts {
  readonly instance: string;
  readonly socketGroup: string | null;
  readonly monitor: ServerMonitor;
  readonly recent: RecentLog;
  readonly registry: Pick<SessionRegistry, "byName" | "end" | "size">;
  readonly facts: Parameters<ServerMonitor["status"]>[0];
  readonly forwards: { readonly count: ForwardCount };
  readonly settings: { readonly problem: string | null };
  readonly store: Pick<ServerStore, "status" | "present">;
  readonly drain: Pick<Drain, "isDraining" | "start" | "stop">;
}

/** @throws Error when there is no such group. */
export function openServerSocket(parts: ServerSocketParts): Promise<AsyncDisposable> {
  const { instance, socketGroup, monitor, recent, registry, facts, forwards } = parts;
  const { settings, store, drain } = parts;
  const own = instanceFacts(
    { program: SERVER_PROGRAM, version: VERSION, instance, processId: Deno.pid },
    new Date(),
    () => performance.now(),
  );
  return openProgramSocket({
    sockets: SERVER_SOCKETS,
    instance,
    group: socketGroup,
    recent,
    warn: (line) => log.warn("{line}", { line }),
    commands: {
      status: async (): Promise<ServerAnswer> => ({
        ...own(),
        ...await monitor.status(facts),
        portForwards: forwards.count,
        settingsProblem: settings.problem,
        store: store.status,
        isDraining: drain.isDraining,
      }),
      sessions: async (args): Promise<SessionsAnswer> => {
        const limit = numberOf(args, "limit", 1, SESSIONS_PER_ANSWER, SESSIONS_PER_ANSWER);
        const after = args.after === undefined ? null : textOf(args, "after");
        const all = (await monitor.sessions())
          .filter(({ name }) => after === null || name > after);
        return { sessions: all.slice(0, limit), isMore: all.length > limit };
      },
      present: (args): PresentAnswer => {
        const after = args.after === undefined ? null : textOf(args, "after");
        const all = store.present.filter(({ name }) => after === null || name > after);
        const limit = numberOf(args, "limit", 1, PRESENT_PER_ANSWER, PRESENT_PER_ANSWER);
        return { clients: all.slice(0, limit), isMore: all.length > limit };
      },
      kick: (args, asker) => {
        const name = textOf(args, "name");
        const session = registry.byName(name);
        if (session === undefined || !registry.end(session.id)) {
          throw new Refusal("not possible", `no client called '${name}' is connected`);
        }
        log.info("session of {name} ended: {asker} has asked for it", { name, asker });
        return { name };
      },
      drain: (args, asker): DrainAnswer => {
        const isWanted = args.stop !== true;
        if (isWanted !== drain.isDraining) {
          if (isWanted) drain.start();
          else drain.stop();
          const what = isWanted ? "clients are moved away" : "clients are taken again";
          log.info("{what}: {asker} has asked for it", { what, asker });
        }
        return { isDraining: drain.isDraining, sessions: registry.size };
      },
    },
  });
}
