/**
 * What goes beside the tunnel by its mark or its cgroup: rules and routes for the marks, and the
 * firewall's part of it, which follows cgroups as they come and go.
 */
import { messageOf } from "../../ffi/error_text.ts";
import { CommandError, MissingProgramError } from "../command/runner.ts";
import { BesideTable } from "../firewall/beside_table.ts";
import { type CgroupMount, cgroupMount, readCgroup } from "../firewall/cgroup.ts";
import { BESIDE_MARK, type TrafficMark } from "../firewall/traffic_mark.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import type { Followed } from "./beside_tunnel.ts";
import { MarkedTraffic } from "./marked_traffic.ts";

interface MarkedBypassOptions {
  readonly tun: string;
  /** Of packets that others have marked; null: of none. */
  readonly mark: TrafficMark | null;
  /** Paths such as system.slice/backup.service. */
  readonly cgroups: readonly string[];
  /** Whether connections get BESIDE_MARK for what they lead to (NamedTable). */
  readonly marksNames?: boolean;
}

export class MarkedBypass {
  readonly #options: MarkedBypassOptions;
  readonly #mount: CgroupMount | null;
  readonly #marks: readonly TrafficMark[];
  readonly #traffic: MarkedTraffic;
  readonly #table: BesideTable;
  /** Numbers of the cgroups that rules are for. */
  #inForce = "";

  /** Throws Error that says what to do where cgroups are named and this machine has none. */
  constructor(journal: HostJournal, options: MarkedBypassOptions) {
    const { tun, mark, cgroups, marksNames = false } = options;
    const usesBit = cgroups.length > 0 || marksNames;
    this.#options = options;
    this.#mount = cgroups.length === 0 ? null : cgroupMount();
    this.#marks = [...mark === null ? [] : [mark], ...usesBit ? [BESIDE_MARK] : []];
    this.#traffic = new MarkedTraffic(journal, tun, this.#marks);
    this.#table = new BesideTable(journal, tun);
  }

  /** Whether a cgroup that is named came, went, or was made anew. */
  hasOtherCgroups(): boolean {
    return this.#ids() !== this.#inForce;
  }

  /**
   * Brings routes, rules and the firewall to what the machine has now. @throws Error that says what to
   * do where cgroups cannot be told apart; as MarkedTraffic does.
   */
  async follow(): Promise<Followed> {
    const ids = this.#ids();
    const { networks, notices } = await this.#traffic.follow();
    const { cgroups } = this.#options;
    const found = cgroups.map((path) => this.#read(path));
    const lines = cgroups.filter((_path, index) => found[index] === null)
      .map((path) =>
        `there is no cgroup ${path} yet: its packets go outside the tunnel once there is`
      );
    try {
      await this.#table.follow(this.#marks, found.filter((cgroup) => cgroup !== null));
      this.#inForce = ids;
    } catch (error) {
      if (!(error instanceof CommandError || error instanceof MissingProgramError)) throw error;
      if (cgroups.length > 0) throw needsNft(error);
      // Names have routes then.
      if (this.#options.mark === null) return { networks, notices: [...notices, ...lines] };
      lines.push(
        `without nft, what has got the mark after its route was chosen leaves with the tunnel's ` +
          `address: install nftables (${messageOf(error)})`,
      );
    }
    return { networks, notices: [...notices, ...lines] };
  }

  #read(path: string) {
    return this.#mount === null ? null : readCgroup(this.#mount, path);
  }

  #ids(): string {
    return this.#options.cgroups.map((path) => this.#read(path)?.id ?? "").join();
  }
}

function needsNft(cause: Error): Error {
  return new Error(
    `Cannot send cgroups beside the tunnel: ${cause.message}; install nftables 0.9.9 or later, on ` +
      "Linux 5.13 or later, or let the programs set a mark and use -bypass-mark",
    { cause },
  );
}
