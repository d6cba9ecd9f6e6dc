/**
 * A control exchange without the tunnel that should follow, as from a client that misbehaves:
 *
 *     exchange_program.ts SERVER PORT BUNDLE
 */

import { exchange } from "../../client/control/exchange.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";

if (import.meta.main) {
  const [server = "", port = "", bundle = ""] = Deno.args;
  const credentials = await loadClientCredentials("/nonexistent", bundle, new Date());
  const grant = await exchange({
    server,
    port: Number(port),
    credentials,
    features: ["x1"],
    clientVersion: "test",
  });
  console.log(`granted ${grant.clientIp}`);
  Deno.exit(0);
}
