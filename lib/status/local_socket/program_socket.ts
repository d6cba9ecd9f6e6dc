/** The socket of a program beside everything else it does. */
import type { Socket } from "node:net";
import { LOG_LINES_MAX, type RecentLog } from "../../cli/log_lines.ts";
import { messageOf } from "../../ffi/error_text.ts";
import { Libc } from "../../ffi/libc/libc.ts";
import { peerCredentials } from "../../ffi/linux/peer_credentials.ts";
import { groupId } from "../../host/own_directory.ts";
import type { ProgramSockets } from "./instance.ts";
import { LocalSocket, type SocketCommand } from "./listener.ts";
import { type Arguments, Refusal } from "./message.ts";

interface ProgramSocketOptions {
  readonly sockets: ProgramSockets;
  readonly instance: string;
  /** The group whose members may ask as well, or null. */
  readonly group: string | null;
  readonly commands: Readonly<Record<string, SocketCommand>>;
  /** What `logs` tells. */
  readonly recent: RecentLog;
  /** Told why there is no socket: the program does all else without it. */
  readonly warn: (line: string) => void;
}

/** A line of the log, as `logs` answers. */
export interface LoggedLine {
  /** As in `2026-03-01T08:00:00.000Z`. */
  readonly time: string;
  readonly level: string;
  readonly text: string;
}

/** Answers `logs` besides `commands`. @throws Error when there is no such group. */
export async function openProgramSocket(options: ProgramSocketOptions): Promise<AsyncDisposable> {
  const { sockets, instance, group, commands, recent, warn } = options;
  const id = group === null ? null : await groupId(group);
  const libc = openLibc();
  const askerOf = (connection: Socket) => libc === null ? null : peerCredentials(libc, connection);
  const socket = await LocalSocket.open({
    ...sockets,
    ...{ instance, groupId: id, askerOf },
    commands: { ...commands, logs: (args) => loggedLines(recent, args) },
  }).catch((error) => {
    warn(`${messageOf(error)}; all else works, but nobody can ask this program while it runs`);
    return null;
  });
  return {
    async [Symbol.asyncDispose]() {
      await socket?.[Symbol.asyncDispose]();
      libc?.unload();
    },
  };
}

/** Without it nobody knows who asks. */
function openLibc(): Libc | null {
  try {
    return Libc.open();
  } catch {
    return null;
  }
}

function loggedLines({ lines }: RecentLog, args: Arguments): LoggedLine[] {
  const count = numberOf(args, "lines", 1, LOG_LINES_MAX, LOG_LINES_MAX);
  return lines.slice(-count).map(({ whole, level, text }) => ({
    time: whole.slice(0, whole.indexOf(" ")),
    level,
    text,
  }));
}

/** A whole number among the arguments, or `otherwise`. @throws Refusal */
export function numberOf(
  args: Arguments,
  name: string,
  min: number,
  max: number,
  otherwise: number,
): number {
  const value = args[name] ?? otherwise;
  const isRight = typeof value === "number" && Number.isInteger(value) && value >= min &&
    value <= max;
  if (isRight) return value;
  throw new Refusal("bad argument", `"${name}" must be a whole number from ${min} to ${max}`);
}

/** A text among the arguments. @throws Refusal */
export function textOf(args: Arguments, name: string): string {
  const value = args[name];
  if (typeof value === "string" && value !== "") return value;
  throw new Refusal("bad argument", `"${name}" must be a text`);
}

/** One of certain words. @throws Refusal */
export function wordOf<Word extends string>(
  args: Arguments,
  name: string,
  words: readonly Word[],
): Word {
  const word = words.find((one) => one === args[name]);
  if (word !== undefined) return word;
  throw new Refusal("bad argument", `"${name}" must be one of: ${words.join(", ")}`);
}
