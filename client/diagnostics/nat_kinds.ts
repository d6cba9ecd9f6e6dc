/** The kinds of NAT that the links of a session are behind. */
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import { familyOf } from "../../lib/host/links/address.ts";
import type { PathReport } from "../../lib/net/engine.ts";
import type { MappingTicket } from "../../lib/protocol/wire/mapping_message.ts";
import type { NamedAddress } from "../control/resolve_server.ts";
import type { Check } from "./check.ts";
import type { DataSession } from "./data_session.ts";
import { isBehindNat } from "./external_checks.ts";
import { natKindCheck, type NatObservation } from "./nat_kind.ts";
import { probeNat } from "./nat_probe.ts";

/**
 * By the names of those of `answering` that are behind one. Takes the paths out of the session, as
 * their very ports are asked from. `ticket` null: the server has no second port to ask.
 */
export async function natKinds(
  libc: Libc,
  session: DataSession,
  ticket: MappingTicket | null,
  answering: readonly Pick<PathReport, "id" | "name" | "seenAs">[],
): Promise<Map<string, Check>> {
  const links = answering.flatMap(({ id, name, seenAs }) => {
    const way = session.ways.get(id);
    if (way === undefined || seenAs === null) return [];
    const { link, server, sourcePort } = way;
    const isNatted = isBehindNat({ own: link.addresses, seenAs });
    return isNatted ? [{ name, server, sourcePort, seenAs }] : [];
  });
  session.removePaths();
  // Every link at once: a NAT forgets what is not used.
  const checks = links.map(async (link) =>
    [link.name, await kindOf(libc, ticket, session.addresses, link)] as const
  );
  return new Map(await Promise.all(checks));
}

async function kindOf(
  libc: Libc,
  ticket: MappingTicket | null,
  addresses: readonly NamedAddress[],
  link: Omit<NatObservation, "second">,
): Promise<Check> {
  if (ticket === null) return natKindCheck({ ...link, second: null });
  const { name: device, sourcePort } = link;
  // The address that the data port is known by comes first, the others while the mapping lasts.
  const others = addresses.map(({ address }) => address).filter((address) =>
    address !== link.server && familyOf(address) === familyOf(link.server)
  );
  const answers = [];
  for (const server of [link.server, ...others]) {
    const seenAs = await probeNat(libc, ticket, { device, address: server, sourcePort });
    answers.push({ server, seenAs });
    if (seenAs === null || seenAs === "port taken") break;
  }
  return natKindCheck({ ...link, second: { port: ticket.port, answers } });
}
