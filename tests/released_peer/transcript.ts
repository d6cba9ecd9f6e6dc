/**
 * What a client and a server of a release have said to each other: the exchange of the control plane,
 * and every datagram of a session with when it arrived. Today's peers are shown it in place of the
 * other end: tests/released_peer/released_peer_test.ts.
 */
import { VirtualNetwork } from "../../testing/virtual_network.ts";
import {
  type ControlGrant,
  encodeRequest,
  encodeResponse,
} from "../../lib/protocol/wire/control_message.ts";
import { SESSION_ID, SESSION_KEY } from "../two_peers/peer.ts";

/** A datagram as it arrived. */
interface Arrival {
  readonly atMs: number;
  readonly way: "up" | "down";
  /** The client's path. */
  readonly path: number;
  readonly hex: string;
}

/** A packet of the tunnel that came out at the other end. */
interface Delivered {
  readonly flow: number;
  readonly number: number;
}

export interface Transcript {
  /** Of the release. */
  readonly version: string;
  readonly request: string;
  readonly grant: string;
  readonly refusal: string;
  readonly delaysMs: readonly number[];
  /** Of the session's random numbers. */
  readonly seed: number;
  readonly epochMs: number;
  readonly arrivals: readonly Arrival[];
  readonly toServer: readonly Delivered[];
  readonly toClient: readonly Delivered[];
}

export const REQUEST = { clientName: "laptop", features: ["x1", "zstd"], clientVersion: "0.1.0" };
export const GRANT: ControlGrant = {
  ...{ kind: "grant", sessionId: SESSION_ID, sessionKey: SESSION_KEY, udpPort: 8000 },
  ...{ udpHosts: ["vpn.example.com"], clientIp: "10.8.0.2", clientIp6: "fd00:8::2" },
  ...{ prefix4: 24, prefix6: 64, features: ["x1", "zstd"], mtu: 1400 },
};
export const REFUSAL = {
  kind: "refusal",
  code: "revoked",
  message: "the certificate is revoked",
} as const;

const PACKET_BYTES = 120;
const SCRIPT_MS = 2400;
/** Short, so that keys change within the session. */
const EPOCH_MS = 1000;

/** Lets both ends of this version talk for a while: two paths, one of which goes and comes back. */
export function recordTranscript(version: string, seed = 7): Transcript {
  const delaysMs = [5, 20];
  const epochLimits = { packets: 1e9, ms: EPOCH_MS };
  using network = new VirtualNetwork({ delaysMs, seed, epochLimits });
  const arrivals: Arrival[] = [];
  for (const [path, link] of network.links.entries()) {
    link.tap = (datagram, way, now) => {
      arrivals.push({ atMs: now + delaysMs[path]!, way, path, hex: datagram.toHex() });
      return true;
    };
  }
  for (const peer of [network.client, network.server]) peer.packetBytes = PACKET_BYTES;
  let number = 0;
  const stop = network.every(40, (now) => {
    for (const flow of [1, 2]) {
      network.client.sendPacket({ flow, number }, now);
      network.server.sendPacket({ flow, number }, now);
    }
    number++;
  });
  network.run(SCRIPT_MS / 2);
  network.client.removePath(1, network.now);
  network.run(SCRIPT_MS / 4);
  network.addPath(1);
  network.run(SCRIPT_MS / 4);
  stop();
  network.run(200);
  const delivered = (peer: typeof network.client) =>
    peer.received.map(({ flow, number }) => ({ flow, number }));
  const decoder = new TextDecoder();
  return {
    version,
    request: decoder.decode(encodeRequest(REQUEST)),
    grant: decoder.decode(encodeResponse(GRANT)),
    refusal: decoder.decode(encodeResponse(REFUSAL)),
    ...{ delaysMs, seed, epochMs: EPOCH_MS },
    arrivals: arrivals.sort((one, other) => one.atMs - other.atMs),
    toServer: delivered(network.server),
    toClient: delivered(network.client),
  };
}

/** `deno run -A tests/released_peer/transcript.ts VERSION`: at a release, once, and never again. */
if (import.meta.main) {
  const [version = ""] = Deno.args;
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error("name the version that is released");
  const file = new URL(`./${version}.json`, import.meta.url);
  await Deno.writeTextFile(file, JSON.stringify(recordTranscript(version), null, 1) + "\n", {
    createNew: true,
  });
}
