/**
 * What clients have carried in a month, on all servers together: each server counts for itself, under
 * an id that its folder keeps, and the sum counts. Has no clock and asks nobody.
 *
 * A counter only grows, so of two values of one counter the larger is the later one, whichever way it
 * came: nothing that was reported is ever counted less, and all who have heard the same agree. The
 * counter of this server is what its own file has counted, and what others have under its id: a copy
 * of its folder on another machine, or itself before its file was lost. Such a writer adds to what it
 * found there, so what has been told already is left out of the rest.
 */

/** Servers that may count for one client, of all that were there within two months. */
const SERVERS_PER_CLIENT_MAX = 64;
/** Of all clients and servers. */
const COUNTERS_MAX = 262_144;
/** As many as the largest network has addresses for; those that carry something here come on top. */
const CLIENTS_MAX = 65_536;

/** Of a client and a server: bytes by month, as in `2026-11`. */
type MonthlyBytes = ReadonlyMap<string, number>;

/** A counter as its writer has told it. */
export interface UsageValue {
  /** The run of a server that wrote it. */
  readonly by: string;
  readonly months: MonthlyBytes;
}

/** This server's counter of one month. */
interface OwnMonth {
  /** Of what the own file has counted, so much is in the store. */
  contributed: number;
  /** Under this server's id, by others. */
  foreign: number;
  /** What the store has now, as far as is known. */
  stored: number;
  /** Whether this run has written it: what it contributed is known to the byte from then on. */
  isWritten: boolean;
}

interface OtherServer {
  by: string;
  /** 0: not in the store as far as is known. */
  revision: number;
  readonly months: Map<string, number>;
}

interface Client {
  /** Of this server's entry; 0: none as far as is known. */
  revision: number;
  readonly own: Map<string, OwnMonth>;
  readonly others: Map<string, OtherServer>;
}

/** What this server's own file has, and had when this run began. */
interface LocalBytes {
  readonly now: number;
  readonly atStart: number;
}

/** What is kept on disk of one client. */
export interface UsageRecord {
  /** By month. */
  readonly own: ReadonlyMap<string, { readonly contributed: number; readonly foreign: number }>;
  /** By server's id. */
  readonly others: ReadonlyMap<string, UsageValue>;
}

export interface UsageCopy {
  /** Under which this server counts. */
  readonly id: string;
  /** The run that wrote this. */
  readonly run: string;
  readonly clients: ReadonlyMap<string, UsageRecord>;
}

export class UsageCounters {
  readonly id: string;
  readonly #run: string;
  /** The run before this one. */
  readonly #runBefore: string;
  readonly #clients = new Map<string, Client>();
  #size = 0;

  /** @param run of this server: 16 hexadecimal digits. @param saved what was kept on disk. */
  constructor(saved: UsageCopy, run: string) {
    this.id = saved.id;
    this.#run = run;
    this.#runBefore = saved.run;
    for (const [name, { own, others }] of saved.clients) {
      const client = this.#clientOf(name);
      for (const [month, kept] of own) {
        client.own.set(month, { ...kept, stored: 0, isWritten: false });
      }
      // What is too much to keep, the store tells again.
      for (const [id, value] of others) this.#setOther(client, id, value, 0);
    }
  }

  /** What others than this server's own file have counted. `local`: what that has. */
  elsewhere(name: string, month: string, local: number): number {
    const client = this.#clients.get(name);
    if (client === undefined) return 0;
    let bytes = 0;
    const own = client.own.get(month);
    // A file that has less than it has told was lost.
    if (own !== undefined) bytes += own.foreign + Math.max(0, own.contributed - local);
    for (const { months } of client.others.values()) bytes += months.get(month) ?? 0;
    return bytes;
  }

  /** The store is about to be read anew. */
  begin(): void {
    for (const client of this.#clients.values()) {
      client.revision = 0;
      for (const month of client.own.values()) month.stored = 0;
      for (const other of client.others.values()) other.revision = 0;
    }
  }

  /**
   * Takes what the store has. `localOf`: what this server's own file has in a month, now and when this
   * run began.
   * @throws Error when there are too many to keep one more
   */
  take(
    name: string,
    id: string,
    value: UsageValue,
    revision: number,
    localOf: (month: string) => LocalBytes,
  ): void {
    if (!this.#clients.has(name) && this.#clients.size >= CLIENTS_MAX) {
      throw new Error("there are too many");
    }
    const client = this.#clientOf(name);
    if (id !== this.id) {
      if (!this.#setOther(client, id, value, revision)) throw new Error("there are too many");
      return;
    }
    if (revision < client.revision) return;
    client.revision = revision;
    for (const [month, bytes] of value.months) {
      const own = ownMonth(client, month);
      own.stored = bytes;
      const { now, atStart } = localOf(month);
      settle(own, now);
      if (value.by === this.#run) own.contributed = Math.max(own.contributed, bytes - own.foreign);
      else if (value.by !== this.#runBefore || own.isWritten) {
        own.foreign = Math.max(own.foreign, bytes - own.contributed);
      } else if (bytes - own.foreign > atStart) {
        // The run before has told of more than its file had.
        own.foreign = bytes - atStart;
        own.contributed = atStart;
      } else own.contributed = Math.max(own.contributed, bytes - own.foreign);
    }
  }

  /** An entry has been deleted by hand: it has to be written again. */
  takeRemoval(name: string, id: string, revision: number): void {
    const client = this.#clients.get(name);
    if (client === undefined) return;
    if (id !== this.id) {
      const other = client.others.get(id);
      if (other !== undefined) other.revision = 0;
      return;
    }
    client.revision = revision;
    for (const month of client.own.values()) month.stored = 0;
  }

  /** What the store is to have of this server for a client; null: it has it. */
  due(
    name: string,
    month: string,
    local: number,
  ): { readonly value: UsageValue; readonly expected: number } | null {
    const client = this.#clients.get(name);
    const own = client?.own.get(month);
    if (own !== undefined) settle(own, local);
    const bytes = (own?.foreign ?? 0) + local;
    if (bytes <= (own?.stored ?? 0)) return null;
    const months = new Map<string, number>();
    // Servers whose clocks are a little behind still need the month before.
    for (const [each, { foreign, contributed }] of client?.own ?? []) {
      if (each < month) months.set(each, foreign + contributed);
    }
    months.set(month, bytes);
    return { value: { by: this.#run, months }, expected: client?.revision ?? 0 };
  }

  /** The store has taken what was due, and what of it the own file had counted. */
  written(name: string, month: string, value: UsageValue, local: number, revision: number): void {
    const client = this.#clientOf(name);
    if (revision < client.revision) return;
    client.revision = revision;
    const own = ownMonth(client, month);
    own.stored = Math.max(own.stored, value.months.get(month) ?? 0);
    own.contributed = Math.max(own.contributed, local);
    own.isWritten = true;
  }

  /** Another version of this server's entry is there. */
  expect(name: string, revision: number): void {
    this.#clientOf(name).revision = revision;
  }

  /** Other servers' counters that the store has not told of since it is read anew. */
  *lost(): Generator<{ readonly name: string; readonly id: string; readonly value: UsageValue }> {
    for (const [name, { others }] of this.#clients) {
      for (const [id, { revision, by, months }] of others) {
        if (revision === 0) yield { name, id, value: { by, months } };
      }
    }
  }

  /** Months before `month` are of no use any more. */
  forgetBefore(month: string): void {
    for (const [name, { own, others }] of this.#clients) {
      for (const each of own.keys()) if (each < month) own.delete(each);
      for (const [id, { months }] of others) {
        for (const each of months.keys()) if (each < month) months.delete(each);
        if (months.size > 0) continue;
        others.delete(id);
        this.#size--;
      }
      if (own.size === 0 && others.size === 0) this.#clients.delete(name);
    }
  }

  /** To be kept on disk. */
  get copy(): UsageCopy {
    return { id: this.id, run: this.#run, clients: this.#clients };
  }

  #clientOf(name: string): Client {
    return this.#clients.getOrInsertComputed(
      name,
      () => ({ revision: 0, own: new Map(), others: new Map() }),
    );
  }

  /** False: there are too many to keep one more. */
  #setOther(client: Client, id: string, { by, months }: UsageValue, revision: number): boolean {
    let other = client.others.get(id);
    if (other === undefined) {
      if (client.others.size >= SERVERS_PER_CLIENT_MAX || this.#size >= COUNTERS_MAX) return false;
      this.#size++;
      other = { by, revision, months: new Map() };
      client.others.set(id, other);
    }
    other.by = by;
    other.revision = Math.max(other.revision, revision);
    for (const [month, bytes] of months) {
      other.months.set(month, Math.max(other.months.get(month) ?? 0, bytes));
    }
    return true;
  }
}

function ownMonth(client: Client, month: string): OwnMonth {
  return client.own.getOrInsertComputed(
    month,
    () => ({ contributed: 0, foreign: 0, stored: 0, isWritten: false }),
  );
}

/** What the own file has lost is as if others had counted it. */
function settle(own: OwnMonth, local: number): void {
  if (own.contributed <= local) return;
  own.foreign += own.contributed - local;
  own.contributed = local;
}
