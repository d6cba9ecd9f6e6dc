/** Finds a way to the server, and the first session with it. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { isLoopback } from "../../lib/host/links/address.ts";
import {
  isOwnAddress,
  listInterfaces,
  type NetworkInterface,
} from "../../lib/host/links/network_interface.ts";
import { ServerRoutes } from "../../lib/host/routes/server_routes.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";
import { ControlError } from "../control/control_error.ts";
import type { NamedAddress } from "../control/resolve_server.ts";
import { BONDED_LINKS_MIN } from "../config/link_choice.ts";
import { type ControlTarget, requestSession } from "./session_request.ts";
import type { LinkSet, ServerEnd } from "./link_set.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

export interface Connected {
  readonly target: ControlTarget;
  readonly links: LinkSet;
  /** The best address of those the session was asked for; links that cannot reach it use another. */
  readonly end: ServerEnd;
  readonly grant: ControlGrant;
}

/**
 * Tries one address of the server after the other, each over each link that leads there; links that
 * only lead to the other family's address ask there. `server` is for messages.
 * @throws ControlError, Error.
 */
export async function connect(
  { server, target, addresses, journal, makeLinks }: {
    server: string;
    target: ControlTarget;
    addresses: readonly NamedAddress[];
    journal: HostJournal;
    makeLinks: (ends: readonly ServerEnd[]) => LinkSet;
  },
  signal: AbortSignal,
): Promise<Connected> {
  let failure: unknown;
  const ends = serverEnds(addresses, journal, await listInterfaces(journal.runner));
  for (const [index, end] of ends.entries()) {
    const other = ends.find(({ family }) => family !== end.family);
    const links = makeLinks(other === undefined ? [end] : [end, other]);
    try {
      await links.refresh(null);
      requireTwo(links, server);
      const grant = await requestSession(target, links.ways(), end, signal);
      return { target, links, end, grant };
    } catch (error) {
      failure = error;
      // What is not removed now goes at the end; why there is no session matters more.
      await links.removeRoutes().catch((error) => log.debug("{error}", { error }));
      if (!(error instanceof ControlError) || !error.retryable) throw error;
      const next = ends[index + 1];
      if (next !== undefined) log.warn("{error}; asking {next}", { error, next: next.address });
    }
  }
  throw failure;
}

function serverEnds(
  addresses: readonly NamedAddress[],
  journal: HostJournal,
  interfaces: readonly NetworkInterface[],
): ServerEnd[] {
  return addresses.map((named) => {
    const isLocal = isLoopback(named.address) || isOwnAddress(interfaces, named.address);
    return { ...named, routes: isLocal ? null : new ServerRoutes(journal, named.address) };
  });
}

function requireTwo(links: LinkSet, server: string): void {
  if (links.usable().length >= BONDED_LINKS_MIN) return;
  throw new Error(
    `Cannot bond: at least two links must lead to ${server}, and ${links.describeUnusable()}`,
  );
}
