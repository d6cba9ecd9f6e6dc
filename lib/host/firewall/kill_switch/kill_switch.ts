/**
 * The kill switch: while it is on, nothing leaves this machine, or passes through it, but into the
 * tunnel, to the server, and to the networks on its own links. It is a lasting change: it stays when
 * the program crashes, and a program that takes it over changes it in one step, so that there is no
 * moment without it.
 */
import { messageOf } from "../../../ffi/error_text.ts";
import * as v from "valibot";
import { CommandError, MissingProgramError } from "../../command/runner.ts";
import { checkInterfaceName, listInterfaces } from "../../links/network_interface.ts";
import type { HostJournal } from "../../journal/host_journal.ts";
import type { LastingRecord } from "../../journal/record.ts";
import { SerialQueue } from "../../serial_queue.ts";
import { identifyIptables, programFor } from "../iptables.ts";
import {
  isPlainName,
  type LocalNetwork,
  localNetworks,
  type PermittedTraffic,
} from "./permitted_traffic.ts";
import { type Backend, IptablesBackend, NftBackend, type Tampering } from "./backend.ts";

interface KillSwitchOptions {
  tun: string;
  links: readonly string[];
  /** As the user named it. */
  server: string;
  /** All addresses of it that may be used. */
  addresses: readonly string[];
  controlPort: number;
}

/** What an earlier program's kill switch lets through, for a start that cannot ask DNS. */
interface KnownServer {
  server: string;
  addresses: string[];
}

const HandoverSchema = v.object({
  killSwitch: v.literal(1),
  server: v.string(),
  addresses: v.array(v.string()),
});

/**
 * How often the first place is taken back from another program's rule. A program that wants it for
 * ever must not keep both busy for ever; one that takes it now and then (a firewall that is loaded
 * anew) has it taken back each time: for CALM_LOOKS without it, one more is allowed.
 */
const TAKE_BACKS_MAX = 10;
const CALM_LOOKS = 20;

const DEEDS = {
  removed: "another program removed the kill switch: it is back in force",
  changed: "another program changed the kill switch: it is back in force",
  preceded: "another program put a rule of iptables before the kill switch: it is first again",
} satisfies Record<Tampering, string>;
const GIVES_UP =
  "another program keeps putting rules of iptables before the kill switch, which may " +
  "let packets out: stop that program, or install nftables, where nothing goes before";

export class KillSwitch {
  readonly #journal: HostJournal;
  readonly #options: KillSwitchOptions;
  #links: readonly string[];
  #addresses: readonly string[];
  #dataPorts: readonly number[] = [];
  /** What goes beside the tunnel because it is to. */
  #beside: readonly LocalNetwork[] = [];
  #resolvers: PermittedTraffic["resolvers"] = [];
  #backend: Backend | null = null;
  #inForce = "";
  #noticed = new Set<string>();
  #takeBacks = 0;
  /** Changes are made one after the other: the last one asked for is the last one made. */
  readonly #queue = new SerialQueue();

  /** Throws InterfaceError for a name no rule can have. */
  constructor(journal: HostJournal, options: KillSwitchOptions) {
    for (const name of [options.tun, ...options.links]) checkInterfaceName(name);
    this.#journal = journal;
    this.#options = options;
    this.#links = options.links;
    this.#addresses = options.addresses;
  }

  /**
   * Puts it in force, in the place of one the journal has taken over. Returns notices for people.
   * Throws, with what was in force before still so, when neither nft nor iptables can do it.
   */
  enable(): Promise<string[]> {
    return this.#queue.run(() => this.#enable());
  }

  async #enable(): Promise<string[]> {
    const adopted = this.#journal.lasting;
    const { permitted, notices } = await this.#permittedTraffic();
    const { server } = this.#options;
    const handover = JSON.stringify({ killSwitch: 1, server, addresses: this.#addresses });
    this.#backend = await this.#install(permitted, handover, notices);
    this.#inForce = JSON.stringify(permitted);
    await this.#release(adopted);
    return notices;
  }

  /**
   * The server is reached over `links`, at `addresses`, from now on. Returns notices for people.
   * Throws as enable(), or InterfaceError.
   */
  async cover(links: readonly string[], addresses: readonly string[]): Promise<string[]> {
    for (const name of links) checkInterfaceName(name);
    return await this.#queue.run(async () => {
      if (this.#backend === null) return [];
      const isMoved = addresses.join() !== this.#addresses.join();
      const isSame = !isMoved && links.join() === this.#links.join();
      if (isSame) return [];
      const before = { links: this.#links, addresses: this.#addresses };
      this.#links = [...links];
      this.#addresses = [...addresses];
      try {
        // The addresses are on record, too, for a start that cannot ask DNS: it takes itself over.
        return await (isMoved ? this.#enable() : this.#follow());
      } catch (error) {
        // As news, so that the next call tries again.
        ({ links: this.#links, addresses: this.#addresses } = before);
        throw error;
      }
    });
  }

  /**
   * From now on these networks, too, may be reached beside the tunnel, and no others that were named
   * before. Returns and throws as follow().
   */
  letOut(beside: readonly LocalNetwork[]): Promise<string[]> {
    this.#beside = beside.filter(({ device }) => isPlainName(device));
    return this.follow();
  }

  /** Lets the data plane through, from when a server has told its port: these, and no other. */
  allowDataPorts(ports: readonly number[]): Promise<string[]> {
    this.#dataPorts = [...new Set(ports)];
    return this.follow();
  }

  /**
   * Lets the client's own questions for names through to these, and to none without any.
   * Throws InterfaceError, as enable() otherwise.
   */
  async allowLookUps(resolvers: PermittedTraffic["resolvers"]): Promise<string[]> {
    for (const { device } of resolvers) checkInterfaceName(device);
    this.#resolvers = resolvers.map(({ device, address }) => ({ device, address }));
    return await this.follow();
  }

  /**
   * Follows the addresses of the links as they come and go, and puts back what another program has
   * removed or changed. Returns notices for people.
   */
  follow(): Promise<string[]> {
    return this.#queue.run(() => this.#follow());
  }

  async #follow(): Promise<string[]> {
    if (this.#backend === null) return [];
    const { permitted, notices } = await this.#permittedTraffic();
    const wanted = JSON.stringify(permitted);
    const tampering = await this.#backend.tampering();
    const isYielding = tampering === "preceded" && this.#takeBacks >= TAKE_BACKS_MAX;
    if (wanted !== this.#inForce || (tampering !== null && !isYielding)) {
      await this.#backend.replace(permitted);
      this.#inForce = wanted;
    }
    if (tampering === null) this.#takeBacks = Math.max(0, this.#takeBacks - 1 / CALM_LOOKS);
    else if (!isYielding) notices.push(this.#noticeOf(tampering));
    return notices;
  }

  #noticeOf(tampering: Tampering): string {
    if (tampering === "preceded" && ++this.#takeBacks >= TAKE_BACKS_MAX) return GIVES_UP;
    return DEEDS[tampering];
  }

  async #permittedTraffic(): Promise<{ permitted: PermittedTraffic; notices: string[] }> {
    const { tun, controlPort } = this.#options;
    const [links, addresses] = [this.#links, this.#addresses];
    const interfaces = await listInterfaces(this.#journal.runner);
    const { networks, notices } = localNetworks(interfaces, tun);
    const news = notices.filter((notice) => !this.#noticed.has(notice));
    this.#noticed = new Set(notices);
    return {
      permitted: {
        ...{ tun, links, servers: addresses, controlPort, dataPorts: this.#dataPorts },
        networks: [...networks, ...this.#beside],
        resolvers: this.#resolvers,
      },
      notices: news,
    };
  }

  async #install(
    permitted: PermittedTraffic,
    handover: string,
    notices: string[],
  ): Promise<Backend> {
    const nft = new NftBackend(this.#journal);
    try {
      await nft.install(permitted, handover);
      return nft;
    } catch (error) {
      if (!(error instanceof CommandError || error instanceof MissingProgramError)) throw error;
      // The table in force would go on dropping what rules of iptables let pass.
      if (this.#backend instanceof NftBackend) throw error;
      notices.push(`${error.message}; using iptables for the kill switch instead`);
    }
    const iptables = new IptablesBackend(this.#journal);
    try {
      await iptables.install(permitted, handover);
      return iptables;
    } catch (error) {
      throw new Error(
        `Cannot set up the kill switch: ${messageOf(error)}; ` +
          "install nftables, or start without -kill-switch",
        { cause: error },
      );
    }
  }

  /** Of what was taken over, forgets what is done anew, and undoes the rest. */
  async #release(adopted: readonly LastingRecord[]): Promise<void> {
    if (adopted.length === 0) return;
    const { variant } = await identifyIptables(this.#journal);
    // An older program's "iptables" and our exact name are one: what both did must not be undone.
    const undoOf = (record: LastingRecord) =>
      record.kind !== "command" ? null : record.undo.join(" ")
        .replace(/^iptables /, `${programFor(variant, 4)} `)
        .replace(/^ip6tables /, `${programFor(variant, 6)} `);
    const ids = new Set(adopted.map(({ id }) => id));
    const own = new Set(
      this.#journal.lasting.filter(({ id }) => !ids.has(id)).map((record) => undoOf(record)),
    );
    for (const record of [...adopted].reverse()) {
      const undo = undoOf(record);
      if (undo === null) continue; // goes when it is empty at the end
      if (own.has(undo)) await this.#journal.settle(record.id);
      else await this.#journal.undo(record.id);
    }
  }
}

/** The server of a kill switch that the journal has taken over, or null: there is none. */
export function adoptedServer(journal: Pick<HostJournal, "lasting">): KnownServer | null {
  for (const { handover } of journal.lasting.reverse()) {
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), HandoverSchema), handover);
    if (parsed.success) return { server: parsed.output.server, addresses: parsed.output.addresses };
  }
  return null;
}
