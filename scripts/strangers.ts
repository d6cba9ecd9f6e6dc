/**
 * Strangers at the control plane: connections without a good certificate, tens of thousands of them.
 * Measures what they leave in the server's memory, and how many honest clients get through meanwhile.
 *
 *     deno task strangers                          200,000 connections
 *     deno task strangers -- --connections 5000    fewer
 *
 * Everything is on the loopback: the control server in a process of its own, strangers and clients in
 * this one. Exit code 0 when the memory grew by less than 20 MiB and 95 of 100 honest exchanges took
 * less than 3 s.
 */
import { parseArgs } from "node:util";
import { ask } from "../client/control/connection.ts";
import { encodeRequest } from "../lib/protocol/wire/control_message.ts";
import { TestAuthority } from "../tests/support/test_certificates.ts";
import { residentMib } from "./bench/process_usage.ts";

const MAY_GROW_MIB = 20;
const HONEST_TIMEOUT_MS = 3_000;
const HONEST_SHARE_MIN = 0.95;
/** Strangers a second; a machine that cannot do so many does what it can. */
const PER_SECOND = 1_000;
const HONEST_EVERY_MS = 100;
/** All code has run after so many, and the C heap has the size it keeps. */
const WARM_UP = 10_000;
const WARM_UP_HONEST = 50;
const REST_SECONDS = 35;

/** What a stranger does with its connection. */
type Stranger = (port: number) => Promise<void>;

/** Neither waits for an answer: the server shall be left with it. */
const STRANGERS: readonly Stranger[] = [
  async (port) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    connection.close();
  },
  async (port) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(CLIENT_HELLO).catch(() => 0);
    await connection.read(new Uint8Array(4096)).catch(() => null);
    connection.close();
  },
  async (port) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(GARBAGE).catch(() => 0);
    await connection.read(new Uint8Array(16)).catch(() => null);
    connection.close();
  },
];
const GARBAGE = new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n");
let CLIENT_HELLO = new Uint8Array(0);

interface StrangersReport {
  connections: number;
  perSecond: number;
  grownMib: number;
  honest: { tried: number; served: number };
}

/**
 * Sends `connections` strangers, and a client every 100 ms beside them, to a server that has seen
 * `warmUp` of them and rested for some seconds.
 */
export async function measureStrangers(
  connections: number,
  { warmUp = WARM_UP, restSeconds = REST_SECONDS, honestTimeoutMs = HONEST_TIMEOUT_MS } = {},
): Promise<StrangersReport> {
  await using authority = await TestAuthority.create();
  const server = await authority.issueServer("server");
  const alice = await authority.issue("alice");
  const credentials = { ...alice, caPem: authority.certPem };
  CLIENT_HELLO = await clientHello(credentials);
  const program = new URL("strangers/control_program.ts", import.meta.url).pathname;
  await using child = startServer(program, {
    caPem: authority.certPem,
    certPem: server.certPem,
    keyPem: server.keyPem,
  });
  const port = await child.port;

  const honest = { tried: 0, served: 0 };
  const askOnce = async () => {
    honest.tried++;
    const target = { server: "127.0.0.1", address: "127.0.0.1", port, credentials };
    const request = encodeRequest({ clientName: "", features: [], clientVersion: "" });
    await ask(target, request, honestTimeoutMs).then(() => honest.served++, () => {});
  };
  await flood(port, warmUp);
  for (let i = 0; i < WARM_UP_HONEST; i++) await askOnce();
  honest.tried = honest.served = 0;
  const beforeMib = await settledMib(child.pid, restSeconds, 0);
  const startMs = performance.now();
  const asked: Promise<void>[] = [];
  const asking = setInterval(() => asked.push(askOnce()), HONEST_EVERY_MS);
  await flood(port, connections);
  clearInterval(asking);
  const seconds = (performance.now() - startMs) / 1000;
  await Promise.all(asked);
  while (honest.tried < 10) await askOnce();
  const grownMib = await settledMib(child.pid, REST_SECONDS, beforeMib + MAY_GROW_MIB / 2) -
    beforeMib;
  return { connections, perSecond: connections / seconds, grownMib, honest };
}

async function flood(port: number, connections: number): Promise<void> {
  const startMs = performance.now();
  const open = new Set<Promise<void>>();
  for (let i = 0; i < connections; i++) {
    const stranger = STRANGERS[i % STRANGERS.length]!(port).catch(() => {});
    open.add(stranger);
    stranger.finally(() => open.delete(stranger));
    const aheadMs = (i / PER_SECOND) * 1000 - (performance.now() - startMs);
    if (aheadMs > 5) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    if (open.size >= 500) await Promise.race(open);
  }
  await Promise.all(open);
}

/**
 * Resident memory when the server has rested. V8 gives back what a flood made it take some 20 s after
 * the last of it; waits no longer than until it is below `enoughMib`.
 */
async function settledMib(pid: number, seconds: number, enoughMib: number): Promise<number> {
  let least = Infinity;
  for (let look = 0; look < seconds && least > enoughMib; look++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    least = Math.min(least, residentMib(pid));
  }
  return least;
}

/** The first flight of a client, as it goes over the wire. */
async function clientHello(credentials: Parameters<typeof ask>[0]["credentials"]) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const target = { server: "127.0.0.1", address: "127.0.0.1", port, credentials };
  const asked = ask(target, new Uint8Array(0), HONEST_TIMEOUT_MS).catch(() => {});
  using connection = await listener.accept();
  const bytes = new Uint8Array(4096);
  const length = await connection.read(bytes) ?? 0;
  connection.close();
  await asked;
  return bytes.slice(0, length);
}

function startServer(program: string, credentials: object) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writing = (async () => {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(credentials)));
    await writer.close();
  })();
  return {
    pid: child.pid,
    port: writing.then(async () => {
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      reader.releaseLock();
      return Number(new TextDecoder().decode(value));
    }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.stdout.cancel();
      await child.status;
    },
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args.filter((arg) => arg !== "--"),
    options: { connections: { type: "string", default: "200000" } },
  });
  const report = await measureStrangers(Number(values.connections));
  const { connections, perSecond, grownMib, honest } = report;
  console.log(
    `${connections} strangers, ${perSecond.toFixed(0)} a second: the server grew by ` +
      `${grownMib.toFixed(1)} MiB; ${honest.served} of ${honest.tried} clients were served`,
  );
  const held = grownMib < MAY_GROW_MIB && honest.served >= HONEST_SHARE_MIN * honest.tried;
  Deno.exit(held ? 0 : 1);
}
