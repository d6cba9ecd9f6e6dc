/**
 * What links have carried, in SQLite. One transaction for each reading, in a log of its own (WAL), so
 * that a process that is killed leaves a whole database; what a full disk refuses is lost from the
 * graphs, never from the volumes, which follow the counters of the next reading that is written.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { messageOf } from "../../ffi/error_text.ts";
import {
  ADD_BUCKET,
  ADD_VOLUME,
  SCHEMA,
  SCHEMA_VERSION,
  SELECT_ALL,
  SELECT_ONE,
  SET_COUNTER,
} from "./history_schema.ts";
import { bucketOf, forgottenBefore, monthOf, RESOLUTIONS } from "./resolution.ts";

/** One series at one moment. */
export interface Reading {
  readonly name: string;
  /** Which run of its counters this is: another one began at zero. */
  readonly run: string;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly rttMs: number | null;
  /** 0 to 1 */
  readonly loss: number | null;
  readonly isUp: boolean;
}

/** One step of a graph. Null: not known. */
interface HistoryPoint {
  /** When it began, seconds since 1970. */
  readonly at: number;
  readonly receivedBytesPerSecond: number;
  readonly sentBytesPerSecond: number;
  readonly rttMs: number | null;
  readonly loss: number | null;
  /** Part of the time it was up, 0 to 1. */
  readonly up: number;
}

interface MonthVolume {
  /** As in `2026-03`. */
  readonly month: string;
  readonly name: string;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

interface StoreOptions {
  readonly path: string;
  /** Of all files of the database together. */
  readonly limitBytes?: number;
}

const LIMIT_BYTES = 50_000_000;
const PAGE_BYTES = 4096;
/** Written back into the database when it has as many pages; a reading is far less. */
const LOG_PAGES = 64;
/** The log with the largest change in it, and its index. */
const BESIDE_BYTES = 1_000_000;
/** Fuller than this, the oldest is forgotten until it is less full than that. */
const FULL_PART = 0.9;
const TRIMMED_PART = 0.8;
const TRIM_ROWS = 200;
/** Links, or clients of a server; a client has 63 at most, a server 253 at a time. */
const SERIES_MAX = 1024;
const MONTHS_MAX = 36;
/** What came longer after the reading before says nothing of how fast it was. */
const GAP_SECONDS_MAX = 60;

type Row = Record<string, number | string | null>;

export class HistoryStore implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<"bucket" | "volume" | "counter", StatementSync>>;
  readonly #ids = new Map<string, number>();
  readonly #pagesMax: number;

  private constructor(database: DatabaseSync, limitBytes: number) {
    this.#database = database;
    this.#pagesMax = Math.floor((limitBytes - BESIDE_BYTES) / PAGE_BYTES);
    database.exec(`
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${LOG_PAGES};
      PRAGMA journal_size_limit = ${LOG_PAGES * PAGE_BYTES};
      PRAGMA max_page_count = ${this.#pagesMax};
      PRAGMA temp_store = MEMORY;
      PRAGMA trusted_schema = OFF;
    `);
    database.exec(SCHEMA);
    this.#statements = {
      bucket: database.prepare(ADD_BUCKET),
      volume: database.prepare(ADD_VOLUME),
      counter: database.prepare(SET_COUNTER),
    };
    for (const { id, name } of this.#all("SELECT id, name FROM series")) {
      this.#ids.set(String(name), Number(id));
    }
  }

  /**
   * Opens the database at `path`, or makes it. One that is damaged is removed, and a new one begun:
   * `warn` is told. @throws Error when there can be none.
   */
  static open(
    { path, limitBytes = LIMIT_BYTES }: StoreOptions,
    warn: (line: string) => void,
  ): HistoryStore {
    try {
      return HistoryStore.#openSound(path, limitBytes);
    } catch (error) {
      if (!isDamage(error)) throw new Error(`Cannot keep a history: ${messageOf(error)}`);
      warn(`the history in ${path} is damaged (${messageOf(error)}): a new one is begun`);
      for (const suffix of ["", "-wal", "-shm"]) remove(path + suffix);
      return HistoryStore.#openSound(path, limitBytes);
    }
  }

  static #openSound(path: string, limitBytes: number): HistoryStore {
    const database = new DatabaseSync(path, { timeout: 1000 });
    try {
      const { user_version: version } = database.prepare("PRAGMA user_version").get() as Row;
      if (version !== 0 && version !== SCHEMA_VERSION) {
        throw new Error(`${path} is of version ${version} of this program's: move it away`);
      }
      const { quick_check: found } = database.prepare("PRAGMA quick_check(1)").get() as Row;
      if (found !== "ok") throw new DamagedError(String(found));
      return new HistoryStore(database, limitBytes);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /**
   * Adds what each series has carried since its reading before. `atSeconds` since 1970. All of it is
   * written, or nothing. @throws Error when the disk is full, or the like; the next call makes it up.
   */
  record(atSeconds: number, readings: readonly Reading[]): void {
    this.#makeRoom();
    this.#transaction(() => {
      for (const reading of readings) this.#add(atSeconds, reading);
    });
  }

  /** Forgets what is too old. */
  thin(nowSeconds: number): void {
    this.#transaction(() => {
      for (const [number, resolution] of RESOLUTIONS.entries()) {
        this.#run(
          "DELETE FROM bucket WHERE resolution = ? AND at < ?",
          number,
          forgottenBefore(nowSeconds, resolution),
        );
      }
      const month = "SELECT DISTINCT month FROM volume ORDER BY month DESC LIMIT 1 OFFSET ?";
      this.#run(`DELETE FROM volume WHERE month <= (${month})`, MONTHS_MAX);
      const unused = "id NOT IN (SELECT series FROM bucket) AND " +
        "id NOT IN (SELECT series FROM volume)";
      for (const { id, name } of this.#all(`SELECT id, name FROM series WHERE ${unused}`)) {
        if (
          this.#count("SELECT at AS count FROM counter WHERE series = ?", Number(id)) >=
            forgottenBefore(nowSeconds, RESOLUTIONS.at(-1)!)
        ) continue;
        this.#run("DELETE FROM series WHERE id = ?", Number(id));
        this.#run("DELETE FROM counter WHERE series = ?", Number(id));
        this.#ids.delete(String(name));
      }
    });
  }

  /** Names of what has been recorded, the one seen last first. */
  names(): string[] {
    return this.#all("SELECT name FROM series ORDER BY seen DESC, name").map(({ name }) =>
      String(name)
    );
  }

  /** The steps of the last hour, day or month; null as name: of all together. */
  points(
    range: "hour" | "day" | "month",
    name: string | null,
    nowSeconds: number,
  ): HistoryPoint[] {
    const number = RESOLUTIONS.findIndex((one) => one.range === range);
    const resolution = RESOLUTIONS[number]!;
    const from = bucketOf(nowSeconds - resolution.showSeconds, resolution);
    const rows = name === null
      ? this.#all(SELECT_ALL, number, from, nowSeconds)
      : this.#all(SELECT_ONE, number, from, nowSeconds, name);
    return rows.map(pointOf);
  }

  /** The bytes of each month and series, the newest month first. */
  volumes(): MonthVolume[] {
    const rows = this.#all(
      "SELECT month, name, received, sent FROM volume JOIN series ON id = series " +
        "ORDER BY month DESC, name",
    );
    return rows.map(({ month, name, received, sent }) => ({
      month: String(month),
      name: String(name),
      receivedBytes: Number(received),
      sentBytes: Number(sent),
    }));
  }

  #add(at: number, reading: Reading): void {
    const id = this.#idOf(reading.name, at);
    if (id === null) return;
    const { run, receivedBytes, sentBytes, rttMs, loss, isUp } = reading;
    const [before] = this.#all("SELECT * FROM counter WHERE series = ?", id);
    this.#statements.counter.run(id, run, receivedBytes, sentBytes, at);
    if (before === undefined) return;
    const isSameRun = before.run === run && receivedBytes >= Number(before.received) &&
      sentBytes >= Number(before.sent);
    const received = receivedBytes - (isSameRun ? Number(before.received) : 0);
    const sent = sentBytes - (isSameRun ? Number(before.sent) : 0);
    if (received > 0 || sent > 0) this.#statements.volume.run(monthOf(at), id, received, sent);
    const seconds = at - Number(before.at);
    if (seconds <= 0 || seconds > GAP_SECONDS_MAX) return;
    for (const [number, resolution] of RESOLUTIONS.entries()) {
      this.#statements.bucket.run(
        ...[number, bucketOf(at, resolution), id, received, sent, seconds, isUp ? seconds : 0],
        ...[rttMs === null ? 0 : Math.round(rttMs * 1000), rttMs === null ? 0 : 1],
        ...[loss === null ? 0 : Math.round(loss * 1_000_000), loss === null ? 0 : 1],
      );
    }
  }

  /** Null: there are too many already. */
  #idOf(name: string, at: number): number | null {
    const known = this.#ids.get(name);
    if (known !== undefined) {
      this.#run("UPDATE series SET seen = ? WHERE id = ? AND seen < ?", at, known, at - 3600);
      return known;
    }
    if (this.#ids.size >= SERIES_MAX) return null;
    this.#run("INSERT OR IGNORE INTO series (name, seen) VALUES (?, ?)", name, Math.floor(at));
    const id = this.#count("SELECT id AS count FROM series WHERE name = ?", name);
    this.#ids.set(name, id);
    return id;
  }

  /** Forgets the oldest, of what there is most of, while the database is nearly full. */
  #makeRoom(): void {
    if (this.#usedPages() < this.#pagesMax * FULL_PART) return;
    while (this.#usedPages() > this.#pagesMax * TRIMMED_PART && this.#forgetOldest()) {
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    }
  }

  #forgetOldest(): boolean {
    const [most] = this.#all(
      "SELECT resolution, count(*) AS count FROM bucket GROUP BY resolution " +
        "ORDER BY count DESC LIMIT 1",
    );
    if (most === undefined) return false;
    const resolution = Number(most.resolution);
    const until = this.#all(
      "SELECT at FROM bucket WHERE resolution = ? ORDER BY at LIMIT 1 OFFSET ?",
      resolution,
      Math.min(TRIM_ROWS, Number(most.count) - 1),
    )[0]!;
    this.#run("DELETE FROM bucket WHERE resolution = ? AND at <= ?", resolution, Number(until.at));
    return true;
  }

  #usedPages(): number {
    const { page_count: all } = this.#database.prepare("PRAGMA page_count").get() as Row;
    const { freelist_count: free } = this.#database.prepare("PRAGMA freelist_count").get() as Row;
    return Number(all) - Number(free);
  }

  #transaction(body: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      body();
      this.#database.exec("COMMIT");
    } catch (error) {
      try {
        this.#database.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself.
      }
      this.#ids.clear();
      for (const { id, name } of this.#all("SELECT id, name FROM series")) {
        this.#ids.set(String(name), Number(id));
      }
      throw error;
    }
  }

  #all(sql: string, ...values: (number | string)[]): Row[] {
    return this.#database.prepare(sql).all(...values) as Row[];
  }

  #run(sql: string, ...values: (number | string)[]): void {
    this.#database.prepare(sql).run(...values);
  }

  #count(sql: string, ...values: (number | string)[]): number {
    return Number(this.#all(sql, ...values)[0]?.count ?? 0);
  }
}

class DamagedError extends Error {}

/** SQLITE_CORRUPT and SQLITE_NOTADB: https://sqlite.org/rescode.html. */
function isDamage(error: unknown): boolean {
  return error instanceof DamagedError ||
    /malformed|not a database|file is encrypted/.test(messageOf(error));
}

function remove(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function pointOf({ at, received, sent, seconds, upSeconds, rttUs, lossPpm }: Row): HistoryPoint {
  const rate = (bytes: unknown) => Math.round(Number(bytes) / Math.max(1, Number(seconds)));
  return {
    at: Number(at),
    receivedBytesPerSecond: rate(received),
    sentBytesPerSecond: rate(sent),
    rttMs: rttUs === null || rttUs === undefined ? null : Math.round(Number(rttUs)) / 1000,
    loss: lossPpm === null || lossPpm === undefined
      ? null
      : Math.round(Number(lossPpm)) / 1_000_000,
    up: Number(upSeconds) / Math.max(1e-9, Number(seconds)),
  };
}
