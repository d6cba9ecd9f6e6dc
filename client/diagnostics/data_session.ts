/**
 * A session of its own over the links of this machine, as the diagnosis needs it: no route of the
 * machine leads into it, and its device goes with this process.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { runChecked, SystemRunner } from "../../lib/host/command/runner.ts";
import { familyOf } from "../../lib/host/links/address.ts";
import { configureTun } from "../../lib/host/links/tun_address.ts";
import { sessionFeatures } from "../../lib/net/driver/features.ts";
import type { EnginePath, PathReport } from "../../lib/net/engine.ts";
import { PortableEngine } from "../../lib/net/portable/portable_engine.ts";
import { DEFAULT_TUNING } from "../../lib/protocol/session/session_tuning.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { type NamedAddress, resolveServers } from "../control/resolve_server.ts";
import type { MachineLink } from "../screen/form/machine_link.ts";
import type { LoadTarget } from "./load_checks.ts";

/** For the first answer on each path, and for the search of its size. */
export const DATA_TIMEOUT_MS = 6_000;
const DATA_LOOK_MS = 100;
/** What the tunnel has as a rule. */
const TUNNEL_MTU = 1400;
/** Every link carries it. */
const LOAD_MTU = 1280;
const TUN_NAME = "fluxify-diag";

/** The way over one link. */
interface DataWay {
  readonly link: MachineLink;
  /** As in `wan1 to 203.0.113.10 port 8000`. */
  readonly what: string;
  /** The server's address that it leads to. */
  readonly server: string;
  /** Of its UDP socket. */
  readonly sourcePort: number;
}

export class DataSession implements AsyncDisposable {
  /** By the numbers of their paths. */
  readonly ways = new Map<number, DataWay>();
  /** Of the server's data plane. */
  addresses: readonly NamedAddress[] = [];
  /** Why there is none over a link, by its name. */
  readonly refused = new Map<string, string>();
  /** Why the engine did not go on. */
  readonly faults: string[];
  /** Larger packets than these are not tried. */
  readonly mtu: number;
  readonly #engine: PortableEngine;
  readonly #grant: ControlGrant;
  readonly #paths = new Map<number, EnginePath>();

  private constructor(engine: PortableEngine, grant: ControlGrant, faults: string[], mtu: number) {
    this.#engine = engine;
    this.#grant = grant;
    this.faults = faults;
    this.mtu = mtu;
  }

  /** Takes the key of `grant`, in any case. @throws Error without root: there is no TUN device. */
  static open(libc: Libc, server: string, grant: ControlGrant): DataSession {
    const faults: string[] = [];
    try {
      const engine = new PortableEngine({
        libc,
        tunName: TUN_NAME,
        role: { kind: "client" },
        onEvent: (event) => {
          if (event.kind === "fault") faults.push(event.message);
        },
      });
      const mtu = Math.min(grant.mtu ?? TUNNEL_MTU, TUNNEL_MTU);
      engine.openSession({
        role: "client",
        id: grant.sessionId,
        key: grant.sessionKey,
        ...sessionFeatures(grant.features),
        ipv4: grant.clientIp,
        ipv6: grant.clientIp6,
        reorderBufferSize: 1,
        reorderFlushTimeoutMs: 0,
        tuning: { ...DEFAULT_TUNING, probeMtu: true },
        mtu,
        name: server,
      });
      return new DataSession(engine, grant, faults, mtu);
    } finally {
      grant.sessionKey.fill(0);
    }
  }

  /** Ends the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#engine.closeSession(this.#grant.sessionId);
    await this.#engine[Symbol.asyncDispose]();
  }

  /**
   * Opens a path over each link that leads to one of the server's addresses: those it told for its
   * data, else `addresses`. Returns the names it told that are not known.
   */
  async connect(
    links: readonly MachineLink[],
    addresses: readonly NamedAddress[],
  ): Promise<string | null> {
    const { udpHosts, udpPort: port, sessionId } = this.#grant;
    const told = udpHosts.join(",");
    const targets = told === "" ? addresses : await resolveServers(told).catch(() => []);
    this.addresses = targets;
    for (const [id, link] of links.entries()) {
      const { name } = link;
      const to = targets.find(({ family }) =>
        link.addresses.some((one) => familyOf(one) === family)
      );
      if (to === undefined) continue;
      try {
        const way = { device: name, server: to.address, port };
        const path = { id, name, ...way, forbidsFragments: true };
        this.#paths.set(id, path);
        const sourcePort = this.#engine.addPath(sessionId, path);
        const what = `${name} to ${to.address} port ${port}`;
        this.ways.set(id, { link, what, server: to.address, sourcePort });
      } catch (error) {
        this.refused.set(name, messageOf(error));
      }
    }
    return targets.length === 0 ? told : null;
  }

  /** Waits until each path has answered and its size is known, or the time is up. */
  async reports(): Promise<readonly PathReport[]> {
    const deadline = performance.now() + DATA_TIMEOUT_MS;
    for (;;) {
      const paths = (await this.#engine.report())[0]?.paths ?? [];
      const isDone = [...this.ways.keys()].every((id) =>
        paths.some((path) => path.id === id && path.rttMs !== null && path.mtu !== null)
      );
      if (isDone || performance.now() >= deadline) return paths;
      await new Promise((resolve) => setTimeout(resolve, DATA_LOOK_MS));
    }
  }

  /** Closes the sockets of all paths, so that others can have their ports. */
  removePaths(): void {
    for (const id of this.ways.keys()) this.#engine.removePath(this.#grant.sessionId, id);
  }

  /**
   * Makes the device lead to the server, and to it alone, so that links can be filled one after the
   * other: `use` makes the named one of `reports` the only one, and says whether it answers.
   * @throws CommandError
   */
  async prepareLoad(reports: readonly PathReport[]): Promise<{
    target: LoadTarget;
    use: (name: string) => Promise<boolean>;
  }> {
    const runner = new SystemRunner();
    const { clientIp, prefix4, sessionId } = this.#grant;
    const server = firstHost(clientIp, prefix4);
    // The server alone is reached through it, whatever networks this machine has.
    await configureTun(runner, TUN_NAME, { ipv4: clientIp, prefix4: 32, mtu: LOAD_MTU });
    await runChecked(runner, ["ip", "-4", "route", "add", `${server}/32`, "dev", TUN_NAME]);
    const inUse = new Set(this.#paths.keys());
    const use = async (name: string) => {
      for (const id of inUse) this.#engine.removePath(sessionId, id);
      inUse.clear();
      const path = this.#paths.get(reports.find((one) => one.name === name)!.id)!;
      this.#engine.addPath(sessionId, path);
      inUse.add(path.id);
      return await this.#isUp(path.id);
    };
    return { target: { runner, tun: TUN_NAME, server }, use };
  }

  async #isUp(id: number): Promise<boolean> {
    const deadline = performance.now() + DATA_TIMEOUT_MS;
    for (;;) {
      const path = (await this.#engine.report())[0]?.paths.find((one) => one.id === id);
      if (path?.state === "up") return true;
      if (performance.now() >= deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, DATA_LOOK_MS));
    }
  }
}

/** Of the network in which `ipv4` is: the server's address in the tunnel. */
function firstHost(ipv4: string, prefixLength: number): string {
  const value = ipv4.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const first = value - value % 2 ** (32 - prefixLength) + 1;
  return [24, 16, 8, 0].map((shift) => (first >>> shift) & 0xff).join(".");
}
