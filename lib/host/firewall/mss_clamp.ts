import { messageOf } from "../../ffi/error_text.ts";
import { type AddressFamily, FAMILIES } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { addRules, type IptablesVariant, programFor, type Rule, SERVER_TAG } from "./iptables.ts";
import type { NatBackend } from "./nat.ts";
import { NFT_TABLE } from "./nft.ts";
import { baseChain, tableText } from "./own_table.ts";

/**
 * What becomes of the maximum segment size (RFC 9293, section 3.7.1) that the two ends of a TCP
 * connection through the tunnel tell each other.
 */
export type MssClamp =
  | { readonly kind: "off" }
  /** Lowered to what the MTU of the route allows, each way. */
  | { readonly kind: "pmtu" }
  /** Lowered to `mssBytes` over IPv4, and to the same size of packet over IPv6. */
  | { readonly kind: "fixed"; readonly mssBytes: number };

export const MSS_MIN = 500;
export const MSS_MAX = 9000;

/**
 * By how much an IPv6 header is longer than one of IPv4. The number of `fixed` is chosen for the
 * packets that fit, so IPv6 gets a smaller MSS; with the same one its packets would be too long.
 */
const IPV6_HEADER_EXTRA = 20;
/** Both directions of the handshake: SYN and SYN-ACK. */
export const SYN_IPTABLES = ["-p", "tcp", "-m", "tcp", "--tcp-flags", "SYN,RST", "SYN"];
export const SYN_NFT = "tcp flags & (syn | rst) == syn";
const CHAIN = "clamp_mss";

interface MssClampOptions {
  tun: string;
  clamp: MssClamp;
  /** What masquerades: the rules go to the same place. */
  backend: NatBackend;
}

/**
 * Lowers the MSS of connections through `tun`, in both directions and both families; never raises
 * one. Undone by the journal. Returns notices for people: the tunnel works without, but for peers
 * behind a firewall that swallows ICMP.
 */
export async function clampMss(journal: HostJournal, options: MssClampOptions): Promise<string[]> {
  const { tun, clamp, backend } = options;
  checkInterfaceName(tun);
  if (clamp.kind === "off") return [];
  if (clamp.kind === "fixed") checkMss(clamp.mssBytes);
  const notices: string[] = [];
  const attempt = async (what: string, add: () => Promise<unknown>) => {
    try {
      await add();
    } catch (error) {
      const reason = messageOf(error);
      notices.push(
        `cannot clamp the MSS of ${what}, so connections to places that filter ICMP may stall ` +
          `(-mss-clamp off turns this off): ${reason}`,
      );
    }
  };
  if (backend === "nft") {
    await attempt("TCP through the tunnel", () => addChain(journal, tun, clamp));
    return notices;
  }
  for (const family of FAMILIES) {
    await attempt(`IPv${family}`, () => addClampRules(journal, backend, family, tun, clamp));
  }
  return notices;
}

/** The MSS of a family, or null: what the route allows. */
function mssFor(family: AddressFamily, clamp: Exclude<MssClamp, { kind: "off" }>): number | null {
  if (clamp.kind === "pmtu") return null;
  return family === 4 ? clamp.mssBytes : clamp.mssBytes - IPV6_HEADER_EXTRA;
}

async function addClampRules(
  journal: HostJournal,
  variant: IptablesVariant,
  family: AddressFamily,
  tun: string,
  clamp: Exclude<MssClamp, { kind: "off" }>,
): Promise<void> {
  const mss = mssFor(family, clamp);
  const how = mss === null ? ["--clamp-mss-to-pmtu"] : ["--set-mss", String(mss)];
  await addRules(
    journal,
    programFor(variant, family),
    ["-o", "-i"].map((side): Rule => ({
      table: "mangle",
      chain: "FORWARD",
      place: "last",
      match: [side, tun, ...SYN_IPTABLES],
      tag: SERVER_TAG,
      target: ["TCPMSS", ...how],
    })),
  );
}

function addChain(
  journal: HostJournal,
  tun: string,
  clamp: Exclude<MssClamp, { kind: "off" }>,
): Promise<ChangeId | null> {
  const rules = ["oifname", "iifname"].flatMap((side) =>
    FAMILIES.map((family) =>
      `${side} "${tun}" meta nfproto ipv${family} ${SYN_NFT} ` +
      `tcp option maxseg size set ${mssFor(family, clamp) ?? "rt mtu"} comment "${SERVER_TAG}"`
    )
  );
  const chain = baseChain(CHAIN, "filter hook forward priority -150; policy accept", rules);
  return journal.apply({
    kind: "command",
    argv: ["nft", "-f", "-"],
    input: tableText(NFT_TABLE, [chain]),
    undo: ["nft", "delete", "chain", ...NFT_TABLE, CHAIN],
    check: ["nft", "list", "chain", ...NFT_TABLE, CHAIN],
  });
}

function checkMss(mssBytes: number): void {
  if (Number.isInteger(mssBytes) && mssBytes >= MSS_MIN && mssBytes <= MSS_MAX) return;
  throw new RangeError(`an MSS is clamped to ${MSS_MIN} to ${MSS_MAX} bytes, not ${mssBytes}`);
}
