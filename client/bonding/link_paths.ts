/** The engine's paths of the links, for each session that may be in use. */
import type { Engine } from "../../lib/net/engine.ts";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { NO_RULE, type PathRule } from "../../lib/protocol/wire/path_rule.ts";
import type { TlsPath, TlsRoute, TlsTransport } from "../transport/tls_transport.ts";
import type { TransportChoice } from "../transport/transport_choice.ts";
import type { Link } from "./link_selection.ts";
import { type LinkRoute, sendableAddresses } from "./link_state.ts";

/**
 * What is prescribed for the link of that name, and remembered of the place it leads through: its
 * interface and gateway; null: of none.
 */
export type RuleOf = (link: string, place: string | null) => PathRule;

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

/** A path of a link that is inside TLS. */
interface StreamPath {
  readonly path: Pick<TlsPath, "id" | "answered" | "close" | "closeLater">;
  readonly identity: string;
  rule: PathRule;
  isBegun: boolean;
  /** What TCP carries says little of the link. */
  readonly place: null;
}

/** The data plane inside TLS, and what decides which links use it. */
export interface Streams {
  readonly transport: Pick<TlsTransport, "open">;
  readonly choice: Pick<TransportChoice, "wantsUdp" | "wantsTls" | "heldBack">;
  /** As LinkStreams.look(). */
  look(link: string, isUdpUp: boolean, nowMs: number, isTlsUp: boolean): boolean;
}

/** Where a path inside TLS leads, and how the link does there. */
export interface StreamRoute {
  readonly tls: TlsRoute;
  readonly via: LinkRoute;
}

/** Ids of paths, as the server knows them: each below this. */
const PATH_IDS = 16;

interface SessionPaths {
  /** The server's data port. */
  readonly port: number;
  /** By name of the link, the port its path was sent from last; null: a new one each time. */
  readonly sourcePorts: Map<string, number> | null;
  /** Whether what is too large for a path is lost rather than sent in fragments. */
  readonly forbidsFragments: boolean;
  /** By name of the link. */
  readonly paths: Map<string, Path>;
  /** Those inside TLS, which a v1 server does not know. */
  readonly streams: Map<string, StreamPath>;
  readonly isV1: boolean;
}

export class LinkPaths {
  readonly #engine: Pick<Engine, "addPath" | "removePath" | "setPathRule">;
  readonly #probesMtu: boolean;
  readonly #ruleOf: RuleOf;
  readonly #streams: Streams | null;
  readonly #sessions = new Map<number, SessionPaths>();

  /**
   * @param ruleOf what is prescribed for the link of that name.
   * @param streams null: nothing goes inside TLS.
   */
  constructor(
    engine: Pick<Engine, "addPath" | "removePath" | "setPathRule">,
    probesMtu: boolean,
    ruleOf: RuleOf = () => NO_RULE,
    streams: Streams | null = null,
  ) {
    this.#engine = engine;
    this.#streams = streams;
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
    const made = { paths: new Map(), streams: new Map() };
    this.#sessions.set(session, { port, sourcePorts, forbidsFragments, isV1, ...made });
  }

  /** The engine ends these paths with their session. */
  forget(session: number): void {
    for (const { path } of this.#sessions.get(session)?.streams.values() ?? []) path.closeLater();
    this.#sessions.delete(session);
  }

  has(name: string): boolean {
    return this.#sessions.values().some(({ paths, streams }) =>
      paths.has(name) || streams.has(name)
    );
  }

  /** The id of a link's path inside TLS, in the session begun last; null: there is none. */
  streamOf(name: string): number | null {
    return [...this.#sessions.values()].at(-1)?.streams.get(name)?.path.id ?? null;
  }

  /**
   * Looks at the link's paths in the session begun last; `isUp` says whether the path of that id works.
   * Returns whether the link is to have others: ensure() makes them.
   */
  followTransport(link: Link, nowMs: number, isUp: (pathId: number) => boolean): boolean {
    const streams = this.#streams;
    if (streams === null) return false;
    const { id, name } = link;
    const path = [...this.#sessions.values()].at(-1)?.streams.get(name)?.path;
    const isTlsUp = path !== undefined && isUp(path.id);
    if (isTlsUp) path.answered();
    const isNew = streams.look(name, isUp(id), nowMs, isTlsUp);
    // To read the links takes a while, in which a path that nobody needs would be used.
    if (!streams.choice.wantsTls(name)) this.#endStreams(link);
    return isNew;
  }

  #endStreams(link: Link): void {
    for (const its of this.#sessions.values()) this.#removeStream(its, link);
  }

  /** The link whose path inside TLS has that id; null: it is none's, or has the link's own id. */
  linkOfStream(pathId: number): string | null {
    for (const { streams } of this.#sessions.values()) {
      for (const [name, { path }] of streams) if (path.id === pathId) return name;
    }
    return null;
  }

  /**
   * Makes sure that the session has its paths over the link as it is; one that is over needs none.
   * `stream` leads to the server, or the proxy, by TCP; null: nothing does.
   */
  ensure(
    session: number,
    link: Link,
    found: NetworkInterface,
    route: LinkRoute,
    stream: StreamRoute | null = null,
  ): void {
    const its = this.#sessions.get(session);
    // It may have ended while the links were read.
    if (its === undefined) return;
    const wantsUdp = its.isV1 || (this.#streams?.choice.wantsUdp() ?? true);
    if (wantsUdp) this.#ensureUdp(session, its, link, found, route);
    const wantsTls = !its.isV1 && (this.#streams?.choice.wantsTls(link.name) ?? false);
    if (!wantsTls || stream === null) return this.#removeStream(its, link);
    const { tls, via } = stream;
    const identity = `${LinkPaths.identity(found, via)} for ${tls.server}`;
    this.#ensureStream(session, its, link, { route: tls, identity, isAlone: !wantsUdp });
  }

  #ensureStream(
    session: number,
    its: SessionPaths,
    link: Link,
    wanted: { route: TlsRoute; identity: string; isAlone: boolean },
  ): void {
    const { route, identity, isAlone } = wanted;
    if (its.streams.get(link.name)?.identity === identity) return;
    this.#removeStream(its, link);
    const id = isAlone ? link.id : freeId(its);
    if (id === null) return;
    const { forbidsFragments } = its;
    const path = this.#streams!.transport.open(
      this.#engine,
      { session, id, forbidsFragments },
      route,
    );
    const made = { path, identity, rule: NO_RULE, isBegun: false, place: null };
    its.streams.set(link.name, made);
    this.#tellRule(session, link.name, id, made);
  }

  #removeStream({ streams }: SessionPaths, { name }: Link): void {
    streams.get(name)?.path.close();
    streams.delete(name);
  }

  #ensureUdp(
    session: number,
    its: SessionPaths,
    link: Link,
    found: NetworkInterface,
    route: LinkRoute,
  ): void {
    const { id, name, device, sourceAddress } = link;
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
      this.#removeUdp(session, paths, link);
    }
    // A link that joins has the id that another one's path inside TLS was given meanwhile.
    for (const [other, stream] of its.streams) {
      if (stream.path.id !== id) continue;
      stream.path.close();
      its.streams.delete(other);
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
    this.#tellRule(session, name, id, made);
  }

  /** What is prescribed for links may have changed. */
  applyRules(): void {
    for (const [session, { paths, streams }] of this.#sessions) {
      for (const [name, path] of paths) this.#tellRule(session, name, path.id, path);
      for (const [name, stream] of streams) {
        this.#tellRule(session, name, stream.path.id, stream);
      }
    }
  }

  #tellRule(session: number, name: string, id: number, path: Path | StreamPath): void {
    const prescribed = this.#ruleOf(name, path.place);
    const isHeldBack =
      this.#streams?.choice.heldBack(name) === (path.place === null ? "tls" : "udp");
    const rule: PathRule = isHeldBack ? { ...prescribed, use: "cap reached" } : prescribed;
    const { sendRate, receiveRate, use } = path.rule;
    const isKnown = rule.use === use && rule.sendRate === sendRate &&
      rule.receiveRate === receiveRate;
    // What is remembered counts at the beginning only.
    const isBegun = path.isBegun;
    path.isBegun = true;
    if (isKnown && (isBegun || rule === NO_RULE)) return;
    path.rule = rule;
    this.#engine.setPathRule(session, id, rule);
  }

  /** The link is gone: no session has a path over it. */
  drop(link: Link): void {
    for (const [session, its] of this.#sessions) this.#removeUdp(session, its.paths, link);
    this.#endStreams(link);
  }

  #removeUdp(session: number, paths: Map<string, Path>, { id, name }: Link): void {
    if (paths.delete(name)) this.#engine.removePath(session, id);
  }
}

/** The highest that no path has, as links have the lowest; null: there is none. */
function freeId({ paths, streams }: SessionPaths): number | null {
  const taken = new Set([
    ...paths.values().map(({ id }) => id),
    ...streams.values().map(({ path }) => path.id),
  ]);
  for (let id = PATH_IDS - 1; id >= 0; id--) if (!taken.has(id)) return id;
  return null;
}
