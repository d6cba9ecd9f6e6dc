/** `fluxify-client status` and the other commands that ask a client that runs. */
import { EXIT_FAILURE, EXIT_OK } from "../../lib/cli/exit.ts";
import { writeTo } from "../../lib/cli/output.ts";
import { characterSetOf, inAscii } from "../../lib/cli/screen/character_set.ts";
import { formatMs, formatPart } from "../../lib/cli/screen/figures.ts";
import { type Colours, coloursOf, paint, plainText } from "../../lib/cli/screen/styled_line.ts";
import { formatTable } from "../../lib/cli/table.ts";
import { askProgram, logLine, writeAnswer } from "../../lib/status/local_socket/ask_program.ts";
import type { LocalConnection } from "../../lib/status/local_socket/ask.ts";
import type { LoggedLine } from "../../lib/status/local_socket/program_socket.ts";
import type { PathPing } from "../../lib/status/path_ping.ts";
import type { AskCommand } from "../config/ask_options.ts";
import { CLIENT_SOCKETS, type ClientStatus, type DownResult } from "./client_socket.ts";
import type { LinksResult } from "./links_command.ts";
import { statusLines } from "./status_lines.ts";

const WATCH_EVERY_MS = 1000;
/** Where there is no terminal, everything is shown. */
const COLUMNS_WITHOUT_TERMINAL = 160;
/** The cursor to the upper left corner, and nothing below it: ECMA-48, 8.3.21 and 8.3.39. */
const CLEAR = "\x1b[H\x1b[J";

/** Asks, writes the answer, and returns the exit code. */
export function runAsk(command: AskCommand): Promise<number> {
  return askProgram(CLIENT_SOCKETS, command.instance, async (connection) => {
    switch (command.what) {
      case "status":
        return await showStatus(connection, command.format, command.watch);
      case "logs": {
        const lines = await connection.ask("logs", { lines: command.lines }) as LoggedLine[];
        writeAnswer(command.format, lines, () => lines.map(logLine));
        return EXIT_OK;
      }
      case "ping": {
        const answer = await connection.ask("ping", { count: command.count });
        const { paths } = answer as { paths: PathPing[] };
        writeAnswer(command.format, paths, () => pingTable(paths));
        return paths.some(({ answered }) => answered > 0) ? EXIT_OK : EXIT_FAILURE;
      }
      case "down": {
        const { failures } = await connection.ask("down") as DownResult;
        for (const line of failures) writeTo(Deno.stderr, `fluxify-client: ${line}\n`);
        if (failures.length === 0) writeTo(Deno.stdout, "stopped, and everything is undone\n");
        return failures.length === 0 ? EXIT_OK : EXIT_FAILURE;
      }
      case "set": {
        const { setting, value } = command;
        await connection.ask("set", { setting, value });
        const when = setting === "dns"
          ? value === "off" ? "the machine's own are asked again" : "in use"
          : setting === "rate" || setting === "link"
          ? "is in use"
          : "is in use from the next session on, which is asked for now";
        writeTo(Deno.stdout, `${setting} ${value}${setting === "dns" ? ": " : " "}${when}\n`);
        return EXIT_OK;
      }
      case "links": {
        const { action, link } = command;
        const answer = await connection.ask("links", { action, link });
        const { links, isPresent } = answer as LinksResult;
        writeTo(Deno.stdout, `links: ${links.join(", ")}\n`);
        if (action === "add" && isPresent === false) {
          writeTo(Deno.stdout, `${link} is not there: it is used when it comes\n`);
        }
        return EXIT_OK;
      }
      default:
        return command satisfies never;
    }
  });
}

async function showStatus(
  connection: LocalConnection,
  format: "text" | "json",
  watches: boolean,
): Promise<number> {
  for (let number = 0;; number++) {
    const status = await connection.ask("status") as ClientStatus;
    const isLive = watches && format === "text" && Deno.stdout.isTerminal();
    if (isLive) writeTo(Deno.stdout, CLEAR);
    else if (number > 0 && format === "text") writeTo(Deno.stdout, "\n");
    writeAnswer(format, status, () => paintedLines(status));
    if (!watches) return EXIT_OK;
    await new Promise((resolve) => setTimeout(resolve, WATCH_EVERY_MS));
  }
}

function paintedLines(status: ClientStatus): string[] {
  const isTerminal = Deno.stdout.isTerminal();
  const read = (name: string) => Deno.env.get(name);
  const colours: Colours = coloursOf(read);
  const columns = isTerminal ? Deno.consoleSize().columns : COLUMNS_WITHOUT_TERMINAL;
  const isAscii = characterSetOf(read) === "ASCII";
  return statusLines(status, columns).map((line) => {
    const shown = isAscii ? inAscii(line) : line;
    return isTerminal ? paint(shown, colours) : plainText(shown).trimEnd();
  });
}

function pingTable(paths: readonly PathPing[]): string[] {
  if (paths.length === 0) return ["no link has a path at present"];
  return formatTable(
    ["LINK", "STATE", "SENT", "ANSWERED", "LOSS", "RTT MIN", "MEAN", "MAX"],
    paths.map(({ name, state, sent, answered, loss, rttMinMs, rttMeanMs, rttMaxMs }) => [
      ...[name, state, `${sent}`, `${answered}`, formatPart(loss)],
      ...[rttMinMs, rttMeanMs, rttMaxMs].map(formatMs),
    ]),
  );
}
