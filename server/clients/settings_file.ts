/**
 * The settings of clients as a file beside the certificates. `fluxify-server client` writes it, and a
 * running server follows it:
 *
 *   {"version":1,"clients":{
 *   "cam":{"address":"10.8.0.77"},
 *   "laptop":{"rate":{"down":6250000,"up":1250000}}
 *   }}
 */
import { join } from "node:path";
import * as v from "valibot";
import { messageOf } from "../../lib/ffi/error_text.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { isStoredClientName } from "../../lib/pki/client_name.ts";
import { type FileIdentity, fileIdentity, isSameFile } from "../../lib/pki/file_identity.ts";
import { PkiError } from "../../lib/pki/pki_error.ts";
import {
  readBounded,
  readError,
  SECRET_FILE_MODE,
  withDirectoryLock,
  writeFilesAtomically,
} from "../../lib/pki/secure_file.ts";
import { type ClientSettings, isNothing, NO_SETTINGS } from "./client_settings.ts";
import { changeWithoutConflict, findConflict } from "./settings_conflict.ts";
import type { SettingsStore } from "./settings_store.ts";
import { encodeSettings, settingsFrom } from "./settings_text.ts";

const FILE_NAME = "client-settings.json";
const FILE_BYTES_MAX = 16 * 1024 * 1024;
/** As many as the largest network has addresses for. */
const CLIENTS_MAX = 65_536;

const FileSchema = v.strictObject({
  version: v.literal(1),
  // Not a record: that would leave out a client called __proto__.
  clients: v.custom<object>((value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
  ),
});

export function settingsFile(directory: string): string {
  return join(directory, FILE_NAME);
}

/** A client's settings, with the text that they were read from. */
interface Known {
  readonly text: string;
  readonly settings: ClientSettings;
}

export class FileSettings implements SettingsStore {
  readonly #directory: string;
  readonly #warn: (line: string) => void;
  readonly #queue = new SerialQueue();
  readonly #watchers = new Set<(names: readonly string[]) => void>();
  #clients: ReadonlyMap<string, Known> = new Map();
  #identity: FileIdentity | null = null;
  #problem: string | null = null;
  /** Follows the file; to be called regularly. Never rejects. */
  readonly look = this.#queue.shared(() => this.#look());

  /** @param directory the folder of the certificates. @param warn takes a line, once for each problem. */
  constructor(directory: string, warn: (line: string) => void) {
    this.#directory = directory;
    this.#warn = warn;
  }

  get problem(): string | null {
    return this.#problem;
  }

  get(name: string): ClientSettings {
    return this.#clients.get(name)?.settings ?? NO_SETTINGS;
  }

  *list(): Generator<readonly [string, ClientSettings]> {
    for (const [name, { settings }] of this.#clients) yield [name, settings];
  }

  change(name: string, change: (before: ClientSettings) => ClientSettings): Promise<void> {
    return withDirectoryLock(this.#directory, async () => {
      await this.read();
      const settings = change(this.get(name));
      const clients = new Map(this.#clients);
      clients.delete(name);
      if (!isNothing(settings)) clients.set(name, { text: encodeSettings(settings), settings });
      if (clients.size > CLIENTS_MAX) {
        throw refusal(`${FILE_NAME} holds ${CLIENTS_MAX} clients, which is the limit`);
      }
      const conflict = findConflict(settingsOf(clients));
      if (conflict !== null) throw refusal(`${conflict}; choose another one, or unset that`);
      await this.#write(clients);
    });
  }

  replace(settings: ReadonlyMap<string, ClientSettings>): Promise<ReadonlyMap<string, string>> {
    return withDirectoryLock(this.#directory, async () => {
      await this.read();
      const all = new Map(settingsOf(this.#clients));
      const refused = changeWithoutConflict(all, [...settings]);
      const clients = new Map(this.#clients);
      for (const name of settings.keys()) {
        const own = all.get(name) ?? NO_SETTINGS;
        if (isNothing(own)) clients.delete(name);
        else clients.set(name, { text: encodeSettings(own), settings: own });
      }
      if (clients.size > CLIENTS_MAX) {
        throw refusal(`${FILE_NAME} holds ${CLIENTS_MAX} clients, which is the limit`);
      }
      await this.#write(clients);
      return refused;
    });
  }

  async #write(clients: ReadonlyMap<string, Known>): Promise<void> {
    const lines = [...clients].map(([name, { text }]) => `${JSON.stringify(name)}:${text}`);
    const text = `{"version":1,"clients":{\n${lines.join(",\n")}\n}}\n`;
    const path = settingsFile(this.#directory);
    await writeFilesAtomically([{ path, text, mode: SECRET_FILE_MODE }]);
    await this.read();
  }

  watch(changed: (names: readonly string[]) => void): Disposable {
    this.#watchers.add(changed);
    return { [Symbol.dispose]: () => void this.#watchers.delete(changed) };
  }

  /** Resolves when no look is under way. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  /**
   * Reads the file where it is another one than before.
   * @throws {PkiError} "damaged" for what is none of ours, "not found" when it has disappeared, and
   * what reading throws
   */
  async read(): Promise<void> {
    const path = settingsFile(this.#directory);
    const identity = fileIdentity(path);
    if (isSameFile(identity, this.#identity)) return;
    const before = this.#clients;
    // Whoever loses it, in a restore say, does not mean to lift all limits.
    if (identity === null && before.size > 0) throw disappeared(path);
    const clients = identity === null ? new Map<string, Known>() : await readClients(path, before);
    this.#clients = clients;
    // Taken before reading: a change in between is found the next time.
    this.#identity = identity;
    const names = [...before.keys(), ...clients.keys()];
    const changed = [...new Set(names)]
      .filter((name) => before.get(name)?.text !== clients.get(name)?.text);
    if (changed.length === 0) return;
    for (const told of this.#watchers) told(changed);
  }

  async #look(): Promise<void> {
    try {
      await this.read();
      if (this.#problem !== null) this.#warn("the settings of clients are followed again");
      this.#problem = null;
    } catch (error) {
      const problem = `${messageOf(error)}; until then those read before stay in force`;
      if (problem !== this.#problem) this.#warn(problem);
      this.#problem = problem;
    }
  }
}

/** What has not changed is not looked at again: there may be many clients. */
async function readClients(
  path: string,
  before: ReadonlyMap<string, Known>,
): Promise<Map<string, Known>> {
  // One that is a pipe would be waited for.
  if (!(await Deno.stat(path)).isFile) throw damaged(path, "is no file");
  const text = await readBounded(path, FILE_BYTES_MAX).catch((cause) => {
    throw readError(path, cause);
  });
  if (text === null) throw damaged(path, `is larger than ${FILE_BYTES_MAX} bytes`);
  const parsed = v.safeParse(FileSchema, parseJson(text));
  if (!parsed.success) throw damaged(path, "is damaged");
  const entries = Object.entries(parsed.output.clients);
  if (entries.length > CLIENTS_MAX) throw damaged(path, `has more than ${CLIENTS_MAX} clients`);
  const clients = new Map<string, Known>();
  for (const [name, object] of entries) {
    const known = before.get(name);
    const own = JSON.stringify(object);
    if (known?.text === own) {
      clients.set(name, known);
      continue;
    }
    if (!isStoredClientName(name)) throw damaged(path, "has a client of a name that none has");
    try {
      clients.set(name, { text: own, settings: settingsFrom(object) });
    } catch (error) {
      throw damaged(path, `cannot be used for ${name}: ${messageOf(error)}`);
    }
  }
  const conflict = findConflict(settingsOf(clients));
  if (conflict !== null) throw damaged(path, `cannot be used: ${conflict}`);
  return clients;
}

function* settingsOf(clients: ReadonlyMap<string, Known>): Generator<[string, ClientSettings]> {
  for (const [name, { settings }] of clients) yield [name, settings];
}

function disappeared(path: string): PkiError {
  const message = `${path} has disappeared: restore it, or write it anew with ` +
    '"fluxify-server client set"';
  return new PkiError("not found", path, message);
}

function damaged(path: string, what: string): PkiError {
  return new PkiError(
    "damaged",
    path,
    `Cannot read the settings of clients: ${path} ${what}; mend it, or restore it from a backup`,
  );
}

export function refusal(reason: string): PkiError {
  return new PkiError("client settings", "", `Cannot do that: ${reason}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // refused as what it is not
  }
}
