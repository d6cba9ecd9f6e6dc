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
import { plainHost } from "../control/resolve_server.ts";
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

/** A proxy, and the server behind it. */
interface Front {
  readonly proxy: ProxySetting;
  /** The name or address that is asked for, and that the server's certificate must be for. */
  readonly server: string;
}

/** Null: the server is reached itself. @throws Error for what cannot be, ProxyError. */
export async function openFront(options: BondOptions): Promise<Front | null> {
  const { proxy: source, transport, server } = options;
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
  return { proxy, server: plainHost(server.split(",")[0]!) };
}

/** Whom the links have to lead to, and at which TCP port it is reached. */
export function frontAddress(
  { server, controlPort }: BondOptions,
  front: Front | null,
): Pick<BondOptions, "server" | "controlPort"> {
  if (front === null) return { server, controlPort };
  return { server: front.proxy.host, controlPort: front.proxy.port };
}

/** Null: nothing goes inside TLS, as it was asked for, or as this machine cannot. */
export function openTransport(
  options: Pick<BondOptions, "transport" | "controlPort">,
  front: Front | null,
  libc: Libc,
  credentials: ClientCredentials,
): TlsTransport | null {
  const mode = modeOf(options, front);
  if (mode === "udp" || tlsObstacle() !== null) return null;
  return new TlsTransport({
    ...{ libc, credentials },
    workerModule: new URL(Deno.mainModule),
    port: options.controlPort,
    proxy: front?.proxy ?? null,
    purpose: mode === "auto" ? "trial" : "only way",
  });
}

/** How links use it. */
export function linkStreams(
  options: Pick<BondOptions, "transport">,
  front: Front | null,
  transport: TlsTransport | null,
  endpoints: ServerPool,
): LinkStreams | null {
  if (transport === null) return null;
  const choice = new TransportChoice(modeOf(options, front));
  return new LinkStreams({ transport, choice, endpoints, server: front?.server ?? null });
}

function modeOf({ transport }: Pick<BondOptions, "transport">, front: Front | null): TransportMode {
  return front === null ? transport : "tls";
}
