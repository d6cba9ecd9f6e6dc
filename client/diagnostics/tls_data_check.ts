/** Whether the server carries data inside TLS, which helps where UDP is blocked. */
import { isIP } from "node:net";
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { ClientCredentials } from "../../lib/pki/client_credentials.ts";
import { openTls } from "../../lib/pki/tls/open_tls.ts";
import { DATA_STREAM_PROTOCOL } from "../../lib/protocol/wire/stream_frame.ts";
import { explainFailure } from "../control/connection_failure.ts";
import { openTunnel } from "../control/proxy_tunnel.ts";
import type { NamedAddress } from "../control/resolve_server.ts";
import { checkServer } from "../control/server_identity.ts";
import type { ProxySetting } from "../transport/proxy_setting.ts";
import { tlsObstacle } from "../transport/tls_transport.ts";

const TIMEOUT_MS = 5000;

/**
 * Why data cannot go inside TLS to the server; null: it can. Behind a proxy the address is that one's.
 * Never rejects.
 */
export async function tlsDataObstacle(
  { host: server, address }: NamedAddress,
  port: number,
  credentials: ClientCredentials,
  proxy: ProxySetting | null = null,
): Promise<string | null> {
  const obstacle = tlsObstacle();
  if (obstacle !== null) return obstacle;
  const target = { server, address, port };
  await using side = openTls("client", credentials, DATA_STREAM_PROTOCOL);
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const tcp = await Deno.connect({ hostname: address, port: proxy?.port ?? port, signal });
    if (proxy !== null) await openTunnel(tcp, { proxy, host: server, port }, signal);
    using channel = side.over(tcp, isIP(server) === 0 ? server : "");
    const timer = setTimeout(() => channel.close(), TIMEOUT_MS);
    try {
      await channel.handshake();
      await checkServer(channel.peerCertificate(), side.rules, target);
      return channel.protocol() === DATA_STREAM_PROTOCOL
        ? null
        : "the server does not offer it: it is older, or lacks libssl";
    } catch (error) {
      return explainFailure(error, "TLS handshake", target).message;
    } finally {
      clearTimeout(timer);
    }
  } catch (error) {
    return messageOf(error);
  }
}
