/**
 * Control exchanges of many clients, without the tunnels that should follow. Their bundles come on
 * standard input, a path a line:
 *
 *     exchanges_program.ts SERVER PORT
 */

import { exchange } from "../../client/control/exchange.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";

/** At a time; the server lets one source have 16 handshakes. */
const AT_ONCE = 8;

if (import.meta.main) {
  const [server = "", port = ""] = Deno.args;
  const bundles = (await new Response(Deno.stdin.readable).text()).trim().split("\n");
  const left = bundles.values();
  const ask = async () => {
    for (const bundle of left) {
      const credentials = await loadClientCredentials("/nonexistent", bundle, new Date());
      const options = { credentials, features: ["x1"], clientVersion: "test" };
      const grant = await exchange({ server, port: Number(port), ...options });
      console.log(`granted ${grant.clientIp} ${grant.clientIp6}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, ask));
  Deno.exit(0);
}
