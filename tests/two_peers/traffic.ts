/** Packets that both sides of a virtual network send each other, and where they went. */
import type { SessionPath } from "../../lib/protocol/path/session_path.ts";
import type { Peer } from "./peer.ts";
import type { VirtualNetwork } from "../../testing/virtual_network.ts";

interface TrafficOptions {
  readonly everyMs?: number;
  /** One packet of each is sent every time. */
  readonly flows?: number;
  /** Both unless told. */
  readonly from?: readonly Peer[];
}

/** Packets of each flow, numbered from 0, from now on. */
export class Traffic {
  /** Packets that each peer sent of each flow. */
  count = 0;
  readonly stop: () => void;

  constructor(network: VirtualNetwork, options: TrafficOptions = {}) {
    const { everyMs = 10, flows = 8, from = [network.client, network.server] } = options;
    this.stop = network.every(everyMs, (now) => {
      const number = this.count++;
      for (const peer of from) {
        for (let flow = 0; flow < flows; flow++) peer.sendPacket({ flow, number }, now);
      }
    });
  }
}

export function bothOf(network: VirtualNetwork): [Peer, Peer] {
  return [network.client, network.server];
}

export function pathOf(peer: Peer, id: number): SessionPath {
  return peer.session.paths.byId(id)!;
}

/** How many of the packets that `peer` got in the last `ms` came on each path. */
export function packetsByPath(network: VirtualNetwork, peer: Peer, ms: number): number[] {
  const counts: number[] = network.links.map(() => 0);
  for (const { at, path } of peer.received) if (at > network.now - ms) counts[path]!++;
  return counts;
}

/** The paths that the packets of the last `ms` came on. */
export function pathsInUse(network: VirtualNetwork, peer: Peer, ms: number): number[] {
  return packetsByPath(network, peer, ms).flatMap((count, path) => count > 0 ? [path] : []);
}

/** Runs until `isSo`, looking every 10 ms; Infinity when it took longer than `limitMs`. */
export function timeUntil(network: VirtualNetwork, limitMs: number, isSo: () => boolean): number {
  const from = network.now;
  while (!isSo()) {
    if (network.now - from >= limitMs) return Infinity;
    network.run(10);
  }
  return network.now - from;
}
