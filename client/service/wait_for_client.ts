/** Waits until a client that was started is up, has ended, or takes too long. */
import { LocalConnection, NotRunningError } from "../../lib/status/local_socket/ask.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import type { LoggedLine } from "../../lib/status/local_socket/program_socket.ts";
import { CLIENT_SOCKETS, type ClientStatus } from "../local_socket/client_socket.ts";

/** How far a client is; `none` runs. */
export type Progress =
  | { readonly state: "none" }
  | { readonly state: "connecting"; /** The last warning. */ readonly why: string | null }
  | { readonly state: "up"; readonly status: ClientStatus };

interface WaitParts {
  readonly look: () => Promise<Progress>;
  /** Why what was started has ended, or null while it has not; another one may run in its place. */
  readonly end: () => Promise<string | null>;
  readonly pause: (ms: number) => Promise<void>;
  /** performance.now() */
  readonly nowMs: () => number;
}

const LOOK_EVERY_MS = 200;

/** How it came out; `why` is for people. */
export type Outcome =
  | { readonly state: "up"; readonly status: ClientStatus }
  | { readonly state: "ended"; readonly why: string }
  | { readonly state: "still connecting"; readonly why: string | null };

export async function waitForClient(parts: WaitParts, limitMs: number): Promise<Outcome> {
  const deadline = parts.nowMs() + limitMs;
  let why: string | null = null;
  for (;;) {
    const progress = await parts.look();
    if (progress.state === "up") return progress;
    if (progress.state === "connecting") why = progress.why ?? why;
    const end = await parts.end();
    // One that connects though ours has ended was started by somebody else meanwhile: wait for that.
    if (end !== null && progress.state === "none") return { state: "ended", why: end };
    if (parts.nowMs() >= deadline) return { state: "still connecting", why };
    await parts.pause(LOOK_EVERY_MS);
  }
}

/** Asks the instance at its socket. @throws Error when this user may not. */
export async function lookAtClient(instance: string): Promise<Progress> {
  try {
    using connection = await LocalConnection.open(CLIENT_SOCKETS, instance);
    return await progressOf(connection);
  } catch (error) {
    if (error instanceof NotRunningError) return { state: "none" };
    throw error;
  }
}

async function progressOf(connection: LocalConnection): Promise<Progress> {
  try {
    const status = await connection.ask("status") as ClientStatus;
    if (status.phase === "up") return { state: "up", status };
  } catch (error) {
    // It is starting, or has just ended, which the next look tells.
    if (!(error instanceof Refusal)) return { state: "none" };
  }
  const lines = await connection.ask("logs", { lines: 50 }).catch(() => []) as LoggedLine[];
  const why = lines.filter(({ level }) => level === "warning" || level === "error").at(-1);
  return { state: "connecting", why: why?.text ?? null };
}
