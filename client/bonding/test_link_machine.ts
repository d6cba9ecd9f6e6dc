/** A machine with two links, for tests of LinkSet. */
import { FakeRunner } from "../../testing/fake_runner.ts";
import type { EnginePath } from "../../lib/net/engine.ts";
import type { LinkChoice } from "../config/link_choice.ts";
import { LinkSelection } from "./link_selection.ts";
import { LinkSet } from "./link_set.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";

export const SERVER: ServerEndpoint = {
  address: "203.0.113.10",
  family: 4,
  host: "203.0.113.10",
  routes: null,
};
export const SERVER6: ServerEndpoint = { ...SERVER, address: "2001:db8:113::10", family: 6 };

export const BEGUN = { port: 8000, isV1: false } as const;

interface FakeLink {
  index: number;
  hasCarrier: boolean;
  addresses: string[];
  /** Those of `addresses` whose network has been given up. */
  deprecated?: string[];
  gateways: string[];
  /** 1500 unless told. */
  mtu?: number;
}

/** A machine with links a and b, whose carriers, addresses and gateways can be changed. */
export function makeMachine(
  all: readonly ServerEndpoint[] = [SERVER],
  runner = new FakeRunner(),
  choices: readonly LinkChoice[] = ["a", "b"].map((interfaceName) => ({
    ...{ interfaceName, sourceAddress: null },
  })),
  forbidsFragments = false,
) {
  const machine: Record<"a" | "b", FakeLink> = {
    a: { index: 2, hasCarrier: true, addresses: ["192.0.2.2"], gateways: ["192.0.2.1"] },
    b: { index: 3, hasCarrier: true, addresses: ["198.51.100.2"], gateways: ["198.51.100.1"] },
  };
  const isV6 = (address: string) => address.includes(":");
  const interfaces = () =>
    Object.entries(machine).map((
      [ifname, { index, hasCarrier, addresses, deprecated, mtu = 1500 }],
    ) => ({
      ifindex: index,
      ifname,
      flags: ["UP", "BROADCAST", ...(hasCarrier ? ["LOWER_UP"] : [])],
      mtu,
      link_type: "ether",
      addr_info: addresses.map((local) => ({
        family: isV6(local) ? "inet6" : "inet",
        local,
        prefixlen: isV6(local) ? 64 : 24,
        scope: "global",
        deprecated: deprecated?.includes(local) ?? false,
      })),
    }));
  const routes = (family: 4 | 6) =>
    Object.entries(machine).flatMap(([dev, { gateways }], metric) =>
      gateways.filter((gateway) => isV6(gateway) === (family === 6)).map((gateway) => (
        { dst: "default", gateway, dev, metric, flags: [], protocol: "dhcp" }
      ))
    );
  runner.on("ip -j address", () => JSON.stringify(interfaces()))
    .on("ip -4 -j route", () => JSON.stringify(routes(4)))
    .on("ip -6 -j route", () => JSON.stringify(routes(6)))
    .on("ip -4 -j route get", { code: 2, stderr: "unreachable" })
    .on("ip -6 -j route get", { code: 2, stderr: "unreachable" });
  const endpoints = { all, data: all, both: all };
  const log: string[] = [];
  /** Interfaces that are there when they are read, and not any more when they are written to. */
  const gone = new Set<string>();
  /** Links that the engine can open no socket on. */
  const noSocket = new Set<string>();
  const set = new LinkSet({
    runner,
    engine: {
      addPath: (session: number, { name, server }: EnginePath) => {
        if (noSocket.has(name)) throw new Error("Cannot bind");
        log.push(`add ${name} to ${session}${isV6(server) ? " over IPv6" : ""}`);
        return 40_000;
      },
      setPathRule: (session, id, { use }) => void log.push(`rule ${use} of ${id} of ${session}`),
      removePath: (session: number, id: number) => void log.push(`remove ${id} of ${session}`),
    },
    selection: new LinkSelection(choices, "fluxify"),
    endpoints,
    tables: null,
    forbidsFragments,
    prepare: (name) => {
      log.push(`prepare ${name}`);
      return gone.has(name) ? Promise.reject(new Deno.errors.NotFound("gone")) : Promise.resolve();
    },
  });
  const begun = new Set<number>();
  const refresh = async (session: number | null) => {
    if (session !== null && !begun.has(session)) {
      set.begin({ session, ...BEGUN, granter: endpoints.all[0]!, how: "renewed" });
      begun.add(session);
    }
    await set.refresh(session);
    return log.splice(0);
  };
  const usable = () => set.usable().map(({ name }) => name);
  return { set, refresh, usable, log, machine, gone, noSocket, endpoints };
}
