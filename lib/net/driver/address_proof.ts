/** What validates the addresses of a v1 client, from its session and its control connection. */
import { ipv4Word, ipv6Words } from "../../protocol/packet/inner_address.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import type { EngineSession } from "../engine.ts";

export function addressProof({ ipv4, controlHost }: EngineSession) {
  return { innerIpv4: ipv4Word(ipv4), controlHost: hostOf(controlHost) };
}

/** Null for anything but an address, and for link-local addresses, which are ambiguous. */
function hostOf(address: string | undefined): PeerAddress | null {
  if (address === undefined || address.includes("%")) return null;
  const host = new PeerAddress();
  if (address.includes(":")) [host.a0, host.a1, host.a2, host.a3] = ipv6Words(address);
  else {
    host.a2 = 0xffff;
    host.a3 = ipv4Word(address);
  }
  return host;
}
