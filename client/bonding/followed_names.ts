/**
 * Names that go beside the tunnel, or alone into it, followed by the DNS answers that programs get: each
 * waits until its addresses lead where they should. Connections beside the tunnel are told by a set of
 * addresses, where nft works; else, and into the tunnel, by routes.
 */
import { domainToASCII } from "node:url";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { CommandError, MissingProgramError } from "../../lib/host/command/runner.ts";
import { AnswerWatch } from "../../lib/host/dns/answer_watch.ts";
import type { NamedAnswer } from "../../lib/host/dns/dns_answer.ts";
import { NamedTable } from "../../lib/host/firewall/named_table.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import type { DestinationAddresses } from "./destination_addresses.ts";

interface FollowedNamesParts {
  readonly libc: Libc;
  readonly tun: string;
  /** Null: there are none of that kind. */
  readonly bypass: DestinationAddresses | null;
  readonly only: DestinationAddresses | null;
  /** Brings the routes to what is known now. */
  readonly followRoutes: () => Promise<void>;
}

export class FollowedNames implements AsyncDisposable {
  readonly #journal: HostJournal;
  readonly #parts: FollowedNamesParts;
  /** By the name as DNS has it, the one that the user gave. */
  readonly #given: ReadonlyMap<string, string>;
  #table: NamedTable | null = null;
  #watch: AnswerWatch | null = null;

  constructor(journal: HostJournal, parts: FollowedNamesParts) {
    const names = [...parts.bypass?.names ?? [], ...parts.only?.names ?? []];
    this.#journal = journal;
    this.#parts = parts;
    this.#given = new Map(names.map((name) => [domainToASCII(name.replace(/\.$/, "")), name]));
  }

  /** Begins. Returns what is not possible here, for people. @throws JournalError. */
  async begin(): Promise<string[]> {
    if (this.#given.size === 0) return [];
    const { libc, tun, bypass } = this.#parts;
    if ((bypass?.names.length ?? 0) > 0) this.#table = await this.#openTable();
    const watch = await AnswerWatch.begin({
      ...{ libc, tun, journal: this.#journal },
      names: new Set(this.#given.keys()),
      learned: (answer) => this.#learned(answer),
    });
    if (typeof watch !== "string") {
      this.#watch = watch;
      return [];
    }
    return [
      `DNS answers cannot be seen on this machine (${watch}): names are looked up every 15 s instead, ` +
      "and may mean other addresses to programs",
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
  }

  /** Null where nft does not do: routes have to. */
  async #openTable(): Promise<NamedTable | null> {
    const table = new NamedTable(this.#journal, this.#parts.tun);
    try {
      await table.enable();
      return table;
    } catch (error) {
      if (!(error instanceof CommandError || error instanceof MissingProgramError)) throw error;
      return null;
    }
  }

  /** @throws Error of the routes; what could not be done is tried with the next answer. */
  async #learned({ name: asked, addresses }: NamedAnswer): Promise<void> {
    const name = this.#given.get(asked)!;
    const { bypass, only, followRoutes } = this.#parts;
    const nowMs = performance.now();
    let news = only?.learned(name, addresses, nowMs) ?? [];
    if (bypass?.names.includes(name)) {
      if (this.#table === null) news = [...news, ...bypass.learned(name, addresses, nowMs)];
      else await this.#table.add(bypass.meant(addresses), nowMs);
    }
    if (news.length > 0) await followRoutes();
  }
}
