/** `fluxify-server status` and the other commands that ask a server that runs. */
import { EXIT_OK } from "../../lib/cli/exit.ts";
import { writeTo } from "../../lib/cli/output.ts";
import { formatBytes, formatMs, formatRate, formatUptime } from "../../lib/cli/screen/figures.ts";
import { formatTable } from "../../lib/cli/table.ts";
import { askProgram, logLine, writeAnswer } from "../../lib/status/local_socket/ask_program.ts";
import type { LocalConnection } from "../../lib/status/local_socket/ask.ts";
import type { LoggedLine } from "../../lib/status/local_socket/program_socket.ts";
import { describeDrops } from "../../lib/status/metrics_line.ts";
import type { SessionStatus } from "../../lib/status/server_status.ts";
import type { AskCommand } from "../ask_options.ts";
import { prescribedLine } from "../clients/client_text.ts";
import type { PresentClient } from "../store/server_store.ts";
import { storeRows } from "../store/store_text.ts";
import {
  type DrainAnswer,
  type PresentAnswer,
  SERVER_SOCKETS,
  type ServerAnswer,
  type SessionsAnswer,
} from "./server_socket.ts";

const DRAIN_LOOK_MS = 500;
/** More answers than the largest network has sessions for. */
const ANSWERS_MAX = 300;

/** Asks, writes the answer, and returns the exit code. */
export function runAsk(command: AskCommand): Promise<number> {
  return askProgram(SERVER_SOCKETS, command.instance, async (connection) => {
    switch (command.what) {
      case "status": {
        const status = await connection.ask("status") as ServerAnswer;
        writeAnswer(command.format, status, () => statusLines(status));
        return EXIT_OK;
      }
      case "sessions": {
        const sessions = await allSessions(connection);
        writeAnswer(command.format, sessions, () => sessionTable(sessions));
        return EXIT_OK;
      }
      case "present": {
        const clients = await allPresent(connection);
        writeAnswer(command.format, clients, () => presentTable(clients));
        return EXIT_OK;
      }
      case "logs": {
        const lines = await connection.ask("logs", { lines: command.lines }) as LoggedLine[];
        writeAnswer(command.format, lines, () => lines.map(logLine));
        return EXIT_OK;
      }
      case "kick":
        await connection.ask("kick", { name: command.client });
        writeTo(
          Deno.stdout,
          `the session of ${command.client} has ended; to keep it out, revoke its certificate\n`,
        );
        return EXIT_OK;
      case "drain":
        return await waitForDrain(connection, command.limitMs);
      case "end drain":
        await connection.ask("drain", { stop: true });
        writeTo(Deno.stdout, "the server takes clients again\n");
        return EXIT_OK;
      default:
        return command satisfies never;
    }
  });
}

/**
 * Returns when no client is left, or not in time. Ending this command ends no drain, and waiting begins
 * none anew: who said 'drain --stop' meanwhile is not overruled. `nextLook` resolves when it is time to
 * look again.
 */
export async function waitForDrain(
  connection: Pick<LocalConnection, "ask">,
  limitMs: number,
  nextLook = () => new Promise<void>((resolve) => setTimeout(resolve, DRAIN_LOOK_MS)),
): Promise<number> {
  const endMs = performance.now() + limitMs;
  let { isDraining, sessions } = await connection.ask("drain") as DrainAnswer;
  for (;;) {
    if (!isDraining) {
      throw new Error(
        `Cannot wait any longer: the server takes clients again ('drain --stop'); ${sessions} are connected`,
      );
    }
    if (sessions === 0) {
      writeTo(Deno.stdout, "no client is connected any more: the server may be stopped\n");
      return EXIT_OK;
    }
    if (performance.now() >= endMs) {
      throw new Error(
        `Cannot move all clients away: ${sessions} ${
          sessions === 1 ? "is" : "are"
        } still connected, ` +
          "probably without another server to go to; stopping the server ends their sessions, " +
          "'drain --stop' takes clients again",
      );
    }
    await nextLook();
    ({ isDraining, sessions } = await connection.ask("status") as ServerAnswer);
  }
}

async function allPresent(connection: LocalConnection): Promise<PresentClient[]> {
  const all: PresentClient[] = [];
  for (let answers = 0; answers < ANSWERS_MAX; answers++) {
    const after = all.at(-1)?.name;
    const asked = after === undefined ? {} : { after };
    const { clients, isMore } = await connection.ask("present", asked) as PresentAnswer;
    all.push(...clients);
    if (!isMore) break;
  }
  return all;
}

function presentTable(clients: readonly PresentClient[]): string[] {
  if (clients.length === 0) return ["no client is known to be connected to servers with -store"];
  return formatTable(
    ["CLIENT", "ADDRESS", "SERVER"],
    clients.map(({ name, ipv4, server, isThis }) => [
      name,
      ipv4,
      isThis ? `${server} (this one)` : server,
    ]),
  );
}

async function allSessions(connection: LocalConnection): Promise<SessionStatus[]> {
  const all: SessionStatus[] = [];
  for (let answers = 0; answers < ANSWERS_MAX; answers++) {
    const after = all.at(-1)?.name;
    const asked = after === undefined ? {} : { after };
    const { sessions, isMore } = await connection.ask("sessions", asked) as SessionsAnswer;
    all.push(...sessions);
    if (!isMore) break;
  }
  return all;
}

function statusLines(status: ServerAnswer): string[] {
  const { instance, version, processId, uptimeMs, drops } = status;
  return formatTable(null, [
    ["server", `${instance}, version ${version}, process ${processId}`],
    ["up", formatUptime(uptimeMs)],
    ["ports", `UDP ${status.udpPort}, TCP ${status.controlPort}`],
    ["inside", `${status.tun} has ${status.address4} and ${status.address6}`],
    ["sessions", `${status.sessions}, with ${status.pathsUp} of ${status.paths} paths up`],
    ...status.isDraining
      ? [["draining", "clients are asked to go to other servers, and none is taken"]]
      : [],
    ["from clients", carried(status.receivedBytesPerSecond, status.receivedBytes)],
    ["to clients", carried(status.sentBytesPerSecond, status.sentBytes)],
    ["port forwards", forwardsText(status.portForwards)],
    ...status.settingsProblem === null ? [] : [["client settings", status.settingsProblem]],
    ...storeRows(status.store),
    ["dropped", describeDrops(drops)],
  ]);
}

function forwardsText({ listed, inForce }: ServerAnswer["portForwards"]): string {
  return listed === inForce ? `${listed}` : `${inForce} of ${listed} in force; the log says why`;
}

function carried(bytesPerSecond: number, bytes: number): string {
  return `${formatRate(bytesPerSecond)}, ${formatBytes(bytes)} over the paths there are`;
}

function sessionTable(sessions: readonly SessionStatus[]): string[] {
  if (sessions.length === 0) return ["no client is connected"];
  const isLimited = sessions.some(({ prescribed }) => prescribed !== null);
  const limits = isLimited ? ["LIMITS"] : [];
  return formatTable(
    [
      ...["CLIENT", "ADDRESS", "WIRE", "SCHEDULER", "PATHS UP", "RTT", "FROM CLIENT", "TO CLIENT"],
      ...limits,
    ],
    sessions.map((one) => {
      const paths = one.session?.paths ?? [];
      const rtts = paths.flatMap(({ rttMs }) => rttMs === null ? [] : [rttMs]);
      return [
        one.name,
        one.addresses.ipv4,
        one.session?.wire ?? "-",
        one.session?.scheduler ?? "-",
        `${paths.filter(({ state }) => state === "up").length} of ${paths.length}`,
        formatMs(rtts.length === 0 ? null : Math.min(...rtts)),
        formatRate(one.receivedBytesPerSecond),
        formatRate(one.sentBytesPerSecond),
        ...isLimited ? [prescribedLine(one.prescribed)] : [],
      ];
    }),
  );
}
