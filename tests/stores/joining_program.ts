/**
 * Control exchanges of many clients of several servers, without the tunnels that should follow: each
 * asks one server after the other until one takes it. Bundles come on standard input, a path a line:
 *
 *     joining_program.ts SECONDS SERVER SERVER ...
 *
 * Writes a line of JSON for each client ({@link Joined}).
 */
import { ControlError } from "../../client/control/control_error.ts";
import { exchange } from "../../client/control/exchange.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";

/** At a time; a server lets one source have 16 handshakes. */
const AT_ONCE = 40;
const EXCHANGE_MS = 3_000;

/** What became of one client. */
export interface Joined {
  readonly bundle: string;
  /** Null: no server took it in time. */
  readonly address: string | null;
  readonly server: string | null;
  /** From its first question to its answer. */
  readonly ms: number;
  /** What the servers said before, by code. */
  readonly refusals: readonly string[];
}

async function join(bundle: string, servers: readonly string[], limitMs: number): Promise<Joined> {
  const credentials = await loadClientCredentials("/nonexistent", bundle, new Date());
  const fromMs = performance.now();
  const refusals: string[] = [];
  const first = Math.floor(Math.random() * servers.length);
  for (let attempt = 0; performance.now() - fromMs < limitMs; attempt++) {
    const server = servers[(first + attempt) % servers.length]!;
    try {
      const options = { credentials, features: ["x1"], clientVersion: "test" };
      const grant = await exchange({ server, port: 8443, timeoutMs: EXCHANGE_MS, ...options });
      const ms = performance.now() - fromMs;
      return { bundle, address: grant.clientIp, server, ms, refusals };
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      refusals.push(error.serverCode ?? error.code);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return { bundle, address: null, server: null, ms: performance.now() - fromMs, refusals };
}

if (import.meta.main) {
  const [seconds = "", ...servers] = Deno.args;
  const bundles = (await new Response(Deno.stdin.readable).text()).trim().split("\n");
  const left = bundles.values();
  const work = async () => {
    for (const bundle of left) {
      console.log(JSON.stringify(await join(bundle, servers, Number(seconds) * 1000)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  Deno.exit(0);
}
