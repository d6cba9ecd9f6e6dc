import * as v from "valibot";
import { type CommandRunner, runForList } from "../../command/runner.ts";
import type { AddressFamily } from "../../links/address.ts";

/** Marks routes and rules as ours (rtm_protocol of linux/rtnetlink.h; this one is nobody else's). */
export const OWN_PROTOCOL = "77";

/** Where a route sends packets: through a gateway on `device`, or straight onto it. */
export interface NextHop {
  device: string;
  gateway: Gateway | undefined;
  /** The source address the route prescribes: its provider may let no other one pass. */
  source?: string;
}

/** Whether packets take the same way, from the same address. */
export function sameNextHop(one: NextHop, other: NextHop): boolean {
  return one.device === other.device && one.source === other.source &&
    one.gateway?.address === other.gateway?.address &&
    one.gateway?.onlink === other.gateway?.onlink;
}

interface Gateway {
  address: string;
  /** Differs from the route's for IPv4 through an IPv6 router (RFC 8950). */
  family: AddressFamily;
  /** Reachable although no prefix of the device contains it, as many clouds have it. */
  onlink: boolean;
}

export interface Route {
  family: AddressFamily;
  /** 0.0.0.0/0 and ::/0 for the default routes; single addresses have no /32 or /128. */
  destination: string;
  table: string;
  metric: number;
  protocol: string | undefined;
  /** Several for a multipath route. */
  nextHops: NextHop[];
}

const HopFields = {
  dev: v.optional(v.string()),
  gateway: v.optional(v.string()),
  via: v.optional(v.object({ family: v.string(), host: v.string() })),
  flags: v.optional(v.array(v.string()), []),
};

const RouteSchema = v.object({
  ...HopFields,
  dst: v.string(),
  type: v.optional(v.string(), "unicast"),
  table: v.optional(v.string(), "main"),
  metric: v.optional(v.number(), 0),
  protocol: v.optional(v.string()),
  prefsrc: v.optional(v.string()),
  nexthops: v.optional(v.array(v.object(HopFields)), []),
});

type Hop = Pick<v.InferOutput<typeof RouteSchema>, "dev" | "gateway" | "via" | "flags">;

/**
 * The unicast routes of one family. `selector` is what follows `ip route show`: by default all
 * tables, `["exact", "192.0.2.1/32"]` for the routes of one prefix.
 */
export async function readRoutes(
  runner: CommandRunner,
  family: AddressFamily,
  selector: readonly string[] = ["table", "all"],
): Promise<Route[]> {
  return await routeList(runner, family, ["show", ...selector]);
}

/** What the kernel would do with a packet to `address` from a socket bound to `device`. */
export async function askKernel(
  runner: CommandRunner,
  family: AddressFamily,
  address: string,
  device: string,
): Promise<NextHop | undefined> {
  const [route] = await routeList(runner, family, ["get", address, "oif", device]);
  const hop = route?.nextHops[0];
  // The source it shows is the one it would choose today.
  return hop && { device: hop.device, gateway: hop.gateway };
}

/**
 * What the kernel would do with a packet to `address` from a socket that is bound to nothing.
 * `selector` is what else is known of it, in words of `ip route get`: `["mark", "0x5"]`.
 */
export async function askKernelForAny(
  runner: CommandRunner,
  family: AddressFamily,
  address: string,
  selector: readonly string[] = [],
): Promise<Route | undefined> {
  return (await routeList(runner, family, ["get", address, ...selector]))[0];
}

async function routeList(
  runner: CommandRunner,
  family: AddressFamily,
  words: readonly string[],
): Promise<Route[]> {
  const items = await runForList(
    runner,
    ["ip", `-${family}`, "-j", "route", ...words],
    RouteSchema,
  );
  return items.filter((item) => item.type === "unicast").map((item) => ({
    family,
    destination: item.dst === "default" ? ANYWHERE[family] : item.dst,
    table: item.table,
    metric: item.metric,
    protocol: item.protocol,
    nextHops: [item, ...item.nexthops].flatMap((hop) => nextHop(family, hop))
      .map((hop) => ({ ...hop, ...sourceIn(item) })),
  }));
}

/** The kernel's own routes have the address they came with. */
function sourceIn({ prefsrc, protocol }: v.InferOutput<typeof RouteSchema>): { source?: string } {
  return prefsrc === undefined || protocol === "kernel" ? {} : { source: prefsrc };
}

const ANYWHERE = { 4: "0.0.0.0/0", 6: "::/0" } as const;

function nextHop(family: AddressFamily, hop: Hop): NextHop[] {
  if (hop.dev === undefined || hop.flags.includes("dead")) return [];
  const onlink = hop.flags.includes("onlink");
  if (hop.via !== undefined) {
    const viaFamily = hop.via.family === "inet6" ? 6 : 4;
    return [{ device: hop.dev, gateway: { address: hop.via.host, family: viaFamily, onlink } }];
  }
  const gateway = hop.gateway === undefined ? undefined : { address: hop.gateway, family, onlink };
  return [{ device: hop.dev, gateway }];
}
