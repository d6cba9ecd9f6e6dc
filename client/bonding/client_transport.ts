/** How this client reaches its server, by its options: UDP, TLS, a proxy. */
import { isIP } from "node:net";
import { homedir } from "node:os";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { expandHome } from "../../lib/cli/user_home.ts";
import { isLoopback } from "../../lib/host/links/address.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import type { BondOptions } from "../config/options.ts";
import type { TransportMode } from "../config/transport_options.ts";
import type { ClientCredentials } from "../control/client_credentials.ts";
import { type NamedAddress, plainHost, type ServerAddress } from "../control/resolve_server.ts";
import {
  findProxy,
  ProxyError,
  proxyPlace,
  type ProxySetting,
} from "../transport/proxy_setting.ts";
import { tlsObstacle, TlsTransport } from "../transport/tls_transport.ts";
import { TransportChoice } from "../transport/transport_choice.ts";
import { LinkStreams } from "./link_streams.ts";
import type { ServerPool } from "./servers/server_pool.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** Null: servers are reached without a proxy. @throws Error for what cannot be, ProxyError. */
export async function openProxy(options: BondOptions): Promise<ProxySetting | null> {
  const { proxy: source, transport } = options;
  const obstacle = source !== null || transport === "tls" ? tlsObstacle() : null;
  if (obstacle !== null) {
    throw new Error(
      `${obstacle}; without it nothing can go inside TLS, as -transport tls and -proxy want it`,
    );
  }
  if (source === null) return null;
  const { proxy, notices } = await findProxy(source, {
    environment: (name) => Deno.env.get(name),
    home: (path) => expandHome(path, homedir()),
  });
  for (const line of notices) log.warn("{line}", { line });
  if (proxy.host === "localhost" || isIP(proxy.host) !== 0 && isLoopback(proxy.host)) {
    throw new ProxyError(
      `Cannot use the proxy at ${
        proxyPlace(proxy)
      }: it is on this machine, and what it sends would ` +
        "go into the tunnel; give the address of the proxy that it asks itself",
    );
  }
  log.info("everything goes through the proxy at {place}, inside TLS", {
    place: proxyPlace(proxy),
  });
  return proxy;
}

/**
 * The addresses of a proxy, as those of the server behind it that goes by the first of `hosts`: the
 * proxy is asked for that name, and the server's certificate must be for it.
 */
export function behindProxy(
  addresses: readonly ServerAddress[],
  hosts: string,
): readonly NamedAddress[] {
  const host = plainHost(hosts.split(",")[0]!);
  return addresses.map(({ address, family }) => ({ address, family, host }));
}

/** Whom the links have to lead to, and at which TCP port it is reached. */
export function frontAddress(
  { server, controlPort }: Pick<BondOptions, "server" | "controlPort">,
  proxy: ProxySetting | null,
): Pick<BondOptions, "server" | "controlPort"> {
  if (proxy === null) return { server, controlPort };
  return { server: proxy.host, controlPort: proxy.port };
}

/** Null: nothing goes inside TLS, as it was asked for, or as this machine cannot. */
export function openTransport(
  options: Pick<BondOptions, "transport" | "controlPort">,
  proxy: ProxySetting | null,
  libc: Libc,
  credentials: ClientCredentials,
): TlsTransport | null {
  const mode = modeOf(options, proxy);
  if (mode === "udp" || tlsObstacle() !== null) return null;
  return new TlsTransport({
    ...{ libc, credentials },
    workerModule: new URL(Deno.mainModule),
    port: options.controlPort,
    proxy,
    purpose: mode === "auto" ? "trial" : "only way",
  });
}

/** How links use it. */
export function linkStreams(
  options: Pick<BondOptions, "transport">,
  proxy: ProxySetting | null,
  transport: TlsTransport | null,
  endpoints: ServerPool,
): LinkStreams | null {
  if (transport === null) return null;
  const choice = new TransportChoice(modeOf(options, proxy));
  return new LinkStreams({ transport, choice, endpoints, isBehindProxy: proxy !== null });
}

function modeOf(
  { transport }: Pick<BondOptions, "transport">,
  proxy: ProxySetting | null,
): TransportMode {
  return proxy === null ? transport : "tls";
}
