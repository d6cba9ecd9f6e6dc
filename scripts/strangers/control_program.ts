/** The control server alone, for scripts/strangers.ts: credentials on stdin, its port on stdout. */
import { startControlServer } from "../../server/control/control_server.ts";

const credentials = JSON.parse(await new Response(Deno.stdin.readable).text());
const server = await startControlServer({
  ...credentials,
  port: 0,
  isRevoked: () => false,
  grant: () => ({
    kind: "grant",
    sessionId: 7,
    sessionKey: new Uint8Array(32),
    udpPort: 8000,
    clientIp: "10.8.0.2",
    clientIp6: "fd00:8::2",
    prefix4: 24,
    prefix6: 64,
    features: [],
    mtu: 1400,
  }),
  log: () => {},
  handshakesMax: 4096,
  exchangeTimeoutMs: 10_000,
});
// V8 gives memory back when its event loop turns, as that of the whole server does each second.
setInterval(() => {}, 1000);
console.log(server.port);
