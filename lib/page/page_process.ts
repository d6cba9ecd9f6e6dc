/**
 * The process of the page. It listens, then gives up all that it does not need: it is a user of its
 * own, and may open, start, load and connect to nothing any more. All that it learns and does goes
 * through whoever started it.
 */
import { join } from "node:path";
import { messageOf } from "../ffi/error_text.ts";
import { becomeUser } from "../ffi/linux/drop_rights.ts";
import { Refusal } from "../status/local_socket/message.ts";
import { HistoryStore } from "./history/history_store.ts";
import { PageSite } from "./http/page_site.ts";
import { LiveFeed } from "./live_feed.ts";
import type { Ask, PageProgram } from "./page_program.ts";
import {
  type FromPage,
  LineWriter,
  type PageStart,
  readLines,
  type ToPage,
} from "./pipe_message.ts";

const RECORD_EVERY_MS = 10_000;
const THIN_EVERY_MS = 10 * 60_000;
const SECOND_MS = 1000;
const PERMISSIONS = ["run", "ffi", "env", "sys", "net", "write", "read", "import"] as const;

/** Runs until standard input ends, which is when the one that started it does. */
export async function runPageProcess(program: PageProgram): Promise<number> {
  // Ctrl-C is for the one that started it.
  Deno.addSignalListener("SIGINT", () => {});
  const out = new LineWriter(Deno.stdout.writable);
  const started = Promise.withResolvers<PageStart>();
  const asker = new Asker(out);
  const ended = readLines(Deno.stdin.readable, (value) => {
    if (typeof value !== "object" || value === null) return;
    if ("token" in value) started.resolve(value as PageStart);
    else asker.answered(value as ToPage);
  });
  const start = await Promise.race([started.promise, ended]);
  if (start === undefined) return 1;
  await serve(start, program, asker.ask, out, ended);
  return 0;
}

async function serve(
  start: PageStart,
  program: PageProgram,
  ask: Ask,
  out: LineWriter,
  ended: Promise<void>,
): Promise<void> {
  const warn = (text: string) => out.write({ say: "warn", text });
  using feed = new LiveFeed({ read: () => live(program, ask), everyMs: program.liveEveryMs });
  let history: HistoryStore | null = null;
  const site = new PageSite({ start, ask, feed, history: () => history });
  const handler = (request: Request, info: Deno.ServeHandlerInfo) => {
    const { remoteAddr } = info;
    return site.handle(request, "hostname" in remoteAddr ? remoteAddr.hostname : "local");
  };
  const server = await listen(start, handler);
  if (start.user !== null) becomeUser(start.user);
  using opened = openHistory(start, warn);
  history = opened;
  for (const name of PERMISSIONS) Deno.permissions.revokeSync({ name });
  out.write({ say: "ready" });
  const timers = history === null ? [] : record(history, program, ask, warn);
  await ended;
  for (const timer of timers) clearInterval(timer);
  feed[Symbol.dispose]();
  await Promise.race([server.shutdown(), new Promise((done) => setTimeout(done, SECOND_MS))]);
}

async function listen(start: PageStart, handler: Deno.ServeHandler): Promise<Deno.HttpServer> {
  const { listen: at, certificate } = start;
  const onListen = () => {};
  if ("path" in at) {
    await removeDeadSocket(at.path);
    // Whoever reaches it is as far as at a port of 127.0.0.1: at the log-in.
    const umask = Deno.umask(0o111);
    try {
      return Deno.serve({ path: at.path, onListen }, handler as Deno.ServeHandler<Deno.UnixAddr>);
    } finally {
      Deno.umask(umask);
    }
  }
  const { host: hostname, port } = at;
  return Deno.serve({ hostname, port, onListen, ...certificate ?? {} }, handler);
}

/** @throws Error where it is somebody's. */
async function removeDeadSocket(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch(() => null);
  if (info === null) return;
  if (!info.isSocket) throw new Error(`${path} is there and no socket: choose another name`);
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return await Deno.remove(path);
  }
  throw new Error(`another program serves at ${path}: end it, or choose another name`);
}

/** The page works without it. */
function openHistory(
  { historyDirectory, program, instance }: PageStart,
  warn: (text: string) => void,
): HistoryStore | null {
  if (historyDirectory === null) return null;
  try {
    const path = join(historyDirectory, `${program}-${instance}.db`);
    return HistoryStore.open({ path }, warn);
  } catch (error) {
    warn(`${messageOf(error)}; the page shows what goes on, and no past`);
    return null;
  }
}

function record(
  history: HistoryStore,
  program: PageProgram,
  ask: Ask,
  warn: (text: string) => void,
): ReturnType<typeof setInterval>[] {
  const nowSeconds = () => Date.now() / SECOND_MS;
  let isFailing = false;
  const attempt = (body: () => void) => {
    try {
      body();
      isFailing = false;
    } catch (error) {
      // A disk that is full is full for long: said once.
      if (!isFailing) warn(`cannot write the history: ${messageOf(error)}; it goes on later`);
      isFailing = true;
    }
  };
  const look = async () => {
    const status = await program.read(ask).catch(() => null);
    if (status !== null) attempt(() => history.record(nowSeconds(), program.readings(status)));
  };
  void look();
  attempt(() => history.thin(nowSeconds()));
  return [
    setInterval(() => void look(), RECORD_EVERY_MS),
    setInterval(() => attempt(() => history.thin(nowSeconds())), THIN_EVERY_MS),
  ];
}

/** Never rejects. */
async function live(program: PageProgram, ask: Ask): Promise<unknown> {
  try {
    return { isRunning: true, ...await program.read(ask) as object };
  } catch (error) {
    return { isRunning: false, message: messageOf(error) };
  }
}

/** Numbers the questions, and finds those that the answers belong to. */
class Asker {
  readonly #out: { write(value: FromPage): void };
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  constructor(out: { write(value: FromPage): void }) {
    this.#out = out;
  }

  readonly ask: Ask = (what, args = {}) => {
    const id = ++this.#lastId;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#out.write({ say: "ask", id, ask: what, with: args });
    return waiting.promise;
  };

  answered(answer: ToPage): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.ok) waiting?.resolve(answer.result);
    else waiting?.reject(new Refusal(answer.code as Refusal["code"], answer.message));
  }
}
