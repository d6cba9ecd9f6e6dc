/**
 * The service manager that started this program, where one did: told what the program is doing, and
 * that it is alive, by datagrams of the protocol of sd_notify(3).
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { UnixDatagrams } from "../../ffi/linux/unix_datagram.ts";
import { US_PER_MS } from "../../protocol/wire/units.ts";

const SOCKET_VARIABLE = "NOTIFY_SOCKET";
const WATCHDOG_VARIABLE = "WATCHDOG_USEC";
const WATCHDOG_PROCESS_VARIABLE = "WATCHDOG_PID";
const VARIABLES = [SOCKET_VARIABLE, WATCHDOG_VARIABLE, WATCHDOG_PROCESS_VARIABLE];
/** A sign of life that is late once is not missed. */
const SIGNS_PER_LIMIT = 3;
const SIGN_EVERY_MIN_MS = 100;
const STATUS_LENGTH_MAX = 300;

/** What is told; the order of words within one datagram does not matter. */
type Assignment = `${string}=${string}`;

interface ServiceEnvironment {
  get(name: string): string | undefined;
  delete(name: string): void;
}

export class ServiceManager {
  readonly #send: ((text: string) => void) | null;
  /** The manager ends a program that gave no sign of life for so long; null: it does not ask. */
  readonly watchdogMs: number | null;

  constructor(send: ((text: string) => void) | null, watchdogMs: number | null) {
    this.#send = send;
    this.watchdogMs = send === null ? null : watchdogMs;
  }

  /**
   * Reads what the manager has left in the environment, and removes it: commands that the program
   * runs are not to speak in its name. Without a manager nothing is told.
   */
  static open(
    openLibc: () => Libc,
    env: ServiceEnvironment = Deno.env,
    processId = Deno.pid,
  ): ServiceManager {
    const path = env.get(SOCKET_VARIABLE);
    const watchdogUs = Number(env.get(WATCHDOG_VARIABLE));
    const meant = env.get(WATCHDOG_PROCESS_VARIABLE);
    for (const name of VARIABLES) env.delete(name);
    const isMeant = meant === undefined || Number(meant) === processId;
    const hasWatchdog = isMeant && Number.isSafeInteger(watchdogUs) && watchdogUs > 0;
    return new ServiceManager(
      path === undefined ? null : senderTo(openLibc, path),
      hasWatchdog ? watchdogUs / US_PER_MS : null,
    );
  }

  /** It does what it was started for; `status` is for people. */
  ready(status: string): void {
    this.#tell("READY=1", statusOf(status));
  }

  status(status: string): void {
    this.#tell(statusOf(status));
  }

  stopping(): void {
    this.#tell("STOPPING=1", statusOf("stopping"));
  }

  /**
   * Gives signs of life while `isAlive` goes on being answered. One that is not answered is waited
   * for, so that a part that hangs is noticed, however well the rest does. `repeat` calls again and
   * again, until what it returns is disposed of.
   */
  watch(isAlive: () => Promise<unknown>, repeat = repeatEvery): Disposable {
    if (this.watchdogMs === null) return { [Symbol.dispose]: () => {} };
    let isAsking = false;
    const ask = async () => {
      if (isAsking) return;
      isAsking = true;
      try {
        await isAlive();
        this.#tell("WATCHDOG=1");
      } catch {
        // Whoever cannot answer is not well.
      } finally {
        isAsking = false;
      }
    };
    const everyMs = Math.max(SIGN_EVERY_MIN_MS, this.watchdogMs / SIGNS_PER_LIMIT);
    const repeating = repeat(ask, everyMs);
    void ask();
    return repeating;
  }

  #tell(...assignments: Assignment[]): void {
    this.#send?.(assignments.join("\n"));
  }
}

function repeatEvery(action: () => Promise<void>, everyMs: number): Disposable {
  const timer = setInterval(action, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** One line. */
function statusOf(text: string): Assignment {
  // deno-lint-ignore no-control-regex
  return `STATUS=${text.replace(/[\u0000-\u001f\u007f]/g, " ").slice(0, STATUS_LENGTH_MAX)}`;
}

/** Null for an address that is none, or without a libc that is known: as good as no manager. */
function senderTo(openLibc: () => Libc, path: string): ((text: string) => void) | null {
  try {
    const datagrams = new UnixDatagrams(openLibc(), path);
    return (text) => void datagrams.send(new TextEncoder().encode(text));
  } catch {
    return null;
  }
}
