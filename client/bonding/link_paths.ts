/** The engine's paths of the links, for each session that may be in use. */
import type { Engine } from "../../lib/net/engine.ts";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { NO_RULE, type PathRule } from "../../lib/protocol/wire/path_rule.ts";
import type { Link } from "./link_selection.ts";
import { type LinkRoute, sendableAddresses } from "./link_state.ts";

/**
 * What is prescribed for the link of that name, and remembered of the place it leads through: its
 * interface and gateway.
 */
export type RuleOf = (link: string, place: string) => PathRule;

interface Path {
  readonly id: number;
  /** As the engine was told last. */
  rule: PathRule;
  /** Whether the engine was told what is remembered of it. */
  isBegun: boolean;
  readonly identity: string;
  readonly place: string;
  /** The one that is prescribed, or all the interface had: one is the source of what is sent. */
  readonly addresses: readonly string[];
  /** What the interface took when it was last looked at. */
  interfaceMtu: number;
}

interface SessionPaths {
  /** The server's data port. */
  readonly port: number;
  /** By name of the link, the port its path was sent from last; null: a new one each time. */
  readonly sourcePorts: Map<string, number> | null;
  /** Whether what is too large for a path is lost rather than sent in fragments. */
  readonly forbidsFragments: boolean;
  /** By name of the link. */
  readonly paths: Map<string, Path>;
}

export class LinkPaths {
  readonly #engine: Pick<Engine, "addPath" | "removePath" | "setPathRule">;
  readonly #probesMtu: boolean;
  readonly #ruleOf: RuleOf;
  readonly #sessions = new Map<number, SessionPaths>();

  constructor(
    engine: Pick<Engine, "addPath" | "removePath" | "setPathRule">,
    probesMtu: boolean,
    ruleOf: RuleOf = () => NO_RULE,
  ) {
    this.#engine = engine;
    this.#ruleOf = ruleOf;
    this.#probesMtu = probesMtu;
  }

  /** Where one use of a link leads: when it changes, sockets have to be made anew. */
  static identity(link: NetworkInterface, { server, nextHop }: LinkRoute): string {
    const { gateway, source } = nextHop;
    return `${link.index} to ${server.address} via ${gateway?.address ?? "no gateway"} ` +
      `from ${source ?? "any"}`;
  }

  /**
   * A v1 server knows a path by its source port, so a link that comes back keeps the one it had. It
   * answers no probes, so packets that are too large for a path are sent in fragments.
   */
  begin(session: number, port: number, isV1: boolean): void {
    const sourcePorts = isV1 ? new Map<string, number>() : null;
    const forbidsFragments = this.#probesMtu && !isV1;
    this.#sessions.set(session, { port, sourcePorts, forbidsFragments, paths: new Map() });
  }

  /** The engine ends these paths with their session. */
  forget(session: number): void {
    this.#sessions.delete(session);
  }

  has(name: string): boolean {
    return [...this.#sessions.values()].some(({ paths }) => paths.has(name));
  }

  /** Makes sure that the session has a path over the link as it is; one that is over needs none. */
  ensure(session: number, link: Link, found: NetworkInterface, route: LinkRoute): void {
    const { id, name, device, sourceAddress } = link;
    const its = this.#sessions.get(session);
    // It may have ended while the links were read.
    if (its === undefined) return;
    const { port, sourcePorts, forbidsFragments, paths } = its;
    const identity = LinkPaths.identity(found, route);
    const source = sourceAddress ?? route.nextHop.source;
    const addresses = source === undefined
      ? sendableAddresses(found, route.server.family)
      : [source];
    const path = paths.get(name);
    if (path !== undefined) {
      // Addresses that are added leave the source of what is sent as it is.
      const keepsAddresses = path.addresses.every((address) => addresses.includes(address));
      // Nothing tells the engine of that, which would ask for a larger size only later.
      const takesMore = forbidsFragments && found.mtu > path.interfaceMtu;
      path.interfaceMtu = found.mtu;
      if (path.identity === identity && keepsAddresses && !takesMore) return;
      this.#remove(session, paths, link);
    }
    const before = sourcePorts?.get(name);
    const sourcePort = this.#engine.addPath(session, {
      id,
      name,
      device,
      server: route.server.address,
      port,
      forbidsFragments,
      ...(sourceAddress === null ? {} : { source: sourceAddress }),
      ...(before === undefined ? {} : { sourcePort: before }),
    });
    if (sourcePort !== 0) sourcePorts?.set(name, sourcePort);
    const { gateway } = route.nextHop;
    const place = `${device} via ${gateway?.address ?? "no gateway"}`;
    const made = {
      id,
      rule: NO_RULE,
      isBegun: false,
      identity,
      place,
      addresses,
      interfaceMtu: found.mtu,
    };
    paths.set(name, made);
    this.#tellRule(session, name, made);
  }

  /** What is prescribed for links may have changed. */
  applyRules(): void {
    for (const [session, { paths }] of this.#sessions) {
      for (const [name, path] of paths) this.#tellRule(session, name, path);
    }
  }

  #tellRule(session: number, name: string, path: Path): void {
    const rule = this.#ruleOf(name, path.place);
    const { sendRate, receiveRate, use } = path.rule;
    const isKnown = rule.use === use && rule.sendRate === sendRate &&
      rule.receiveRate === receiveRate;
    // What is remembered counts at the beginning only.
    const isBegun = path.isBegun;
    path.isBegun = true;
    if (isKnown && (isBegun || rule === NO_RULE)) return;
    path.rule = rule;
    this.#engine.setPathRule(session, path.id, rule);
  }

  /** The link is gone: no session has a path over it. */
  drop(link: Link): void {
    for (const [session, { paths }] of this.#sessions) this.#remove(session, paths, link);
  }

  #remove(session: number, paths: Map<string, Path>, { id, name }: Link): void {
    if (paths.delete(name)) this.#engine.removePath(session, id);
  }
}
