/**
 * Starts the process of the page, answers what it asks, and starts it again when it ends. This side
 * keeps its rights, so it does nothing for the page but what is on its list.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { dirname } from "node:path";
import { BUILD_VARIABLE, parseBuildInfo } from "../cli/build_info.ts";
import { formatListenAddress } from "../cli/listen_address.ts";
import { readOwnCommand } from "../cli/own_command.ts";
import { namesOf, type PageOptions } from "../cli/page_options.ts";
import { VERSION } from "../cli/version.ts";
import { messageOf } from "../ffi/error_text.ts";
import { openOwnDirectory } from "../host/own_directory.ts";
import { LocalConnection } from "../status/local_socket/ask.ts";
import { type ProgramSockets, socketPath } from "../status/local_socket/instance.ts";
import { InstanceLock } from "../status/local_socket/instance_lock.ts";
import { type Arguments, Refusal } from "../status/local_socket/message.ts";
import { historyDirectory, pageUser } from "./page_user.ts";
import { PAGE_PROCESS } from "./page_process_word.ts";
import { type FromPage, LineWriter, type PageStart, readLines } from "./pipe_message.ts";

export interface PageSource {
  readonly sockets: ProgramSockets;
  readonly instance: string;
  readonly page: PageOptions;
  /** What the local socket is asked to show. */
  readonly looks: readonly string[];
  /** What the local socket is asked to change. */
  readonly changes: readonly string[];
  /** What this side does itself, because nothing that runs could. */
  readonly own: Readonly<Record<string, (args: Arguments) => Promise<unknown>>>;
  readonly warn: (line: string) => void;
}

const START_MS = 30_000;
const END_MS = 3_000;
const AGAIN_MS = 1_000;
const AGAIN_MAX_MS = 60_000;
/** Questions under way. */
const ASKED_MAX = 32;
const TOKEN_BYTES = 24;

export class Page implements AsyncDisposable {
  readonly #source: PageSource;
  readonly #start: PageStart;
  readonly #lock: InstanceLock;
  readonly #linkPath: string;
  readonly #ended: Promise<void>;
  readonly #relay: Relay;
  #child: { readonly process: Deno.ChildProcess; readonly lines: LineWriter } | null = null;
  #isEnding = false;
  #wasServed = false;
  readonly #wake = Promise.withResolvers<void>();

  private constructor(source: PageSource, start: PageStart, lock: InstanceLock, linkPath: string) {
    this.#source = source;
    this.#start = start;
    this.#lock = lock;
    this.#linkPath = linkPath;
    this.#relay = new Relay(source);
    this.#first = Promise.withResolvers<void>();
    this.#ended = this.#keep();
  }

  readonly #first: PromiseWithResolvers<void>;

  /**
   * Returns when the page is served.
   * @throws Error that says why it cannot be, as when another one serves the page of this instance.
   */
  static async open(source: PageSource): Promise<Page> {
    const path = socketPath(source.sockets, source.instance).replace(/\.sock$/, ".page");
    await openOwnDirectory(dirname(path), 0o755);
    const lock = await InstanceLock.take(`${path}.lock`);
    if (lock === null) throw new PageServedError(path);
    let page: Page | undefined;
    try {
      page = new Page(source, await startOf(source), lock, path);
      await page.#first.promise;
      await Deno.writeTextFile(path, `${page.link}\n`, { mode: 0o600 });
      return page;
    } catch (error) {
      if (page === undefined) await lock[Symbol.asyncDispose]();
      else await page[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where it is, without what is needed to log in. */
  get address(): string {
    return addressOf(this.#source.page, this.#start.hosts);
  }

  /** With it: for whoever started the program alone. */
  get link(): string {
    return `${this.address}/#${this.#start.token}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    this.#wake.resolve();
    const child = this.#child;
    if (child !== null) {
      await child.lines.close();
      const timer = setTimeout(() => endNow(child.process), END_MS);
      await child.process.status;
      clearTimeout(timer);
    }
    await this.#ended;
    this.#relay[Symbol.dispose]();
    await Deno.remove(this.#linkPath).catch(() => {});
    const { listen } = this.#start;
    // Where it never was ours, somebody else serves there, or keeps a file of that name.
    if ("path" in listen && this.#wasServed) await Deno.remove(listen.path).catch(() => {});
    await this.#lock[Symbol.asyncDispose]();
  }

  /** Never rejects. */
  async #keep(): Promise<void> {
    let waitMs = 0;
    let isFirst = true;
    while (!this.#isEnding) {
      const beganMs = performance.now();
      const why = await this.#runOnce().catch(messageOf);
      if (this.#isEnding) break;
      if (isFirst) this.#first.reject(new Error(`Cannot serve the page: ${why}`));
      if (isFirst && !await this.#wasReady()) return;
      isFirst = false;
      this.#source.warn(`the page has ended: ${why}; it is started again`);
      waitMs = pauseBeforeRestart(performance.now() - beganMs, waitMs);
      await Promise.race([pause(waitMs), this.#wake.promise]);
    }
    this.#first.reject(new Error("Cannot serve the page: it was ended"));
    this.#first.promise.catch(() => {});
  }

  #wasReady(): Promise<boolean> {
    return this.#first.promise.then(() => true, () => false);
  }

  /** Returns why it has ended. */
  async #runOnce(): Promise<string> {
    const { form } = parseBuildInfo(Deno.env.get(BUILD_VARIABLE), () => null);
    const { path, args, env } = readOwnCommand(form);
    const process = new Deno.Command(path, {
      args: [...args, PAGE_PROCESS],
      env: { ...env, DENO_NO_UPDATE_CHECK: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const lines = new LineWriter(process.stdin);
    this.#child = { process, lines };
    const timer = setTimeout(() => endNow(process), START_MS);
    lines.write(this.#start);
    const said = lastLine(process.stderr);
    await readLines(process.stdout, (value) => {
      const message = value as FromPage;
      if (message.say === "warn") this.#source.warn(String(message.text));
      if (message.say === "ask") void this.#answer(message, lines);
      if (message.say !== "ready") return;
      clearTimeout(timer);
      this.#wasServed = true;
      this.#first.resolve();
    }).catch(() => {});
    endNow(process);
    const { code, signal } = await process.status;
    clearTimeout(timer);
    this.#child = null;
    return await said || (signal === null ? `exit code ${code}` : signal);
  }

  #asked = 0;

  async #answer({ id, ask, with: args }: FromPage & { say: "ask" }, to: LineWriter): Promise<void> {
    if (this.#asked >= ASKED_MAX) {
      return to.write({ id, ok: false, code: "busy", message: "too much is asked at a time" });
    }
    this.#asked++;
    try {
      to.write({ id, ok: true, result: await this.#relay.ask(String(ask), args ?? {}) ?? null });
    } catch (error) {
      const code = error instanceof Refusal ? error.code : "failed";
      to.write({ id, ok: false, code, message: messageOf(error) });
    } finally {
      this.#asked--;
    }
  }
}

/**
 * How long to wait before the process is started again that has run for `ranMs`, after `lastMs` before
 * the start before (0: there was none): a second, then twice as long each time, a minute at most.
 */
export function pauseBeforeRestart(ranMs: number, lastMs: number): number {
  if (lastMs === 0 || ranMs > AGAIN_MAX_MS) return AGAIN_MS;
  return Math.min(AGAIN_MAX_MS, lastMs * 2);
}

/** Somebody serves it already. */
export class PageServedError extends Error {
  override name = "PageServedError";

  constructor(readonly linkPath: string) {
    super("Cannot serve the page: another process does; 'web' prints its link");
  }
}

/** Asks the local socket: looks over one connection that stays, changes over one of their own. */
class Relay implements Disposable {
  readonly #source: PageSource;
  #connection: LocalConnection | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(source: PageSource) {
    this.#source = source;
  }

  async ask(what: string, args: Arguments): Promise<unknown> {
    const { sockets, instance, looks, changes, own } = this.#source;
    if (looks.includes(what)) {
      const result = this.#turn.then(() => this.#look(what, args));
      this.#turn = result.catch(() => {});
      return await result;
    }
    if (Object.hasOwn(own, what)) return await own[what]!(args);
    if (!changes.includes(what)) throw new Refusal("unknown command", "the page may not do that");
    using connection = await LocalConnection.open(sockets, instance);
    return await connection.ask(what, args);
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = null;
  }

  async #look(what: string, args: Arguments): Promise<unknown> {
    const { sockets, instance } = this.#source;
    const isOld = this.#connection !== null;
    const connection = this.#connection ??= await LocalConnection.open(sockets, instance);
    try {
      return await connection.ask(what, args);
    } catch (error) {
      if (error instanceof Refusal) throw error;
      this[Symbol.dispose]();
      // It was closed while nobody asked, or the program has started anew.
      if (isOld) return await this.#look(what, args);
      throw error;
    }
  }
}

async function startOf(source: PageSource): Promise<PageStart> {
  const { page, sockets, instance, changes, own, warn } = source;
  const certificate = page.certificate === null ? null : await readCertificate(page.certificate);
  const user = await pageUser();
  const address = "path" in page.listen ? [] : [page.listen.host];
  return {
    listen: page.listen,
    certificate,
    hosts: [
      ...page.hosts,
      ...certificate === null ? [] : namesOf(certificate.cert),
      ...["localhost", "127.0.0.1", "::1", ...address],
    ],
    token: crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)).toBase64({ alphabet: "base64url" }),
    program: `fluxify-${sockets.program}`,
    version: VERSION,
    instance,
    historyDirectory: await historyDirectory(user, warn),
    user,
    actions: [...changes, ...Object.keys(own)],
  };
}

/** @throws Error that says what to do, and nothing of the key. */
async function readCertificate(
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
): Promise<{ cert: string; key: string }> {
  const cert = await read(certFile, "-web-cert");
  const key = await read(keyFile, "-web-key");
  let isFitting: boolean;
  try {
    isFitting = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new Error(
      "Cannot use -web-cert and -web-key: each must be a file in PEM without password",
    );
  }
  if (isFitting) return { cert, key };
  throw new Error("Cannot use -web-key: it is not the key of the certificate in -web-cert");
}

async function read(path: string, flag: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new Error(`Cannot read the file of ${flag}: ${messageOf(error)}`);
  }
}

/** Without a certificate the page is this machine's; with one it is asked for by a name it has. */
function addressOf({ listen, certificate, hosts }: PageOptions, all: readonly string[]): string {
  if ("path" in listen) return `http://${hosts[0] ?? "localhost"}`;
  if (certificate === null) return `http://${formatListenAddress(listen)}`;
  return `https://${formatListenAddress({ host: all[0]!, port: listen.port })}`;
}

async function lastLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of stream) {
    text = (text + decoder.decode(piece, { stream: true })).slice(-4096);
  }
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.find((line) => line.includes("rror:")) ?? lines.at(-1) ?? "";
}

function endNow(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
