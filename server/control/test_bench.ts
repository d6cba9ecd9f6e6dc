import tls from "node:tls";
import type { ControlResponse } from "../../lib/protocol/wire/control_message.ts";
import {
  type ControlEvent,
  type ControlPeer,
  type ControlServer,
  type ControlServerOptions,
  startControlServer,
} from "./control_server.ts";
import { TestAuthority, type TestCertificate } from "../../tests/support/test_certificates.ts";

export { until } from "../../testing/until.ts";

/** A control server on a port of the kernel's choice, with an authority and the client "alice". */
export interface TestBench extends AsyncDisposable {
  readonly authority: TestAuthority;
  readonly serverCertificate: TestCertificate;
  readonly alice: TestCertificate;
  readonly server: ControlServer;
  readonly events: ControlEvent[];
  readonly granted: ControlPeer[];
}

export async function startBench(
  options: Partial<ControlServerOptions> = {},
): Promise<TestBench> {
  await using stack = new AsyncDisposableStack();
  const authority = stack.use(await TestAuthority.create());
  const serverCertificate = await authority.issueServer("server");
  const alice = await authority.issue("alice");
  const events: ControlEvent[] = [];
  const granted: ControlPeer[] = [];
  const server = stack.use(
    await startControlServer({
      port: 0,
      caPem: authority.certPem,
      certPem: serverCertificate.certPem,
      keyPem: serverCertificate.keyPem,
      isRevoked: () => false,
      grant: (peer) => {
        granted.push(peer);
        return testGrant();
      },
      log: (event) => events.push(event),
      handshakesMax: 64,
      exchangeTimeoutMs: 10_000,
      ...options,
    }),
  );
  const kept = stack.move();
  return {
    ...{ authority, serverCertificate, alice, server, events, granted },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export const TEST_KEY = new Uint8Array(32).fill(0xa5);

export function testGrant(): ControlResponse {
  return {
    kind: "grant",
    sessionId: 7,
    sessionKey: TEST_KEY.slice(),
    udpPort: 8000,
    udpHosts: [],
    clientIp: "10.8.0.2",
    clientIp6: "fd00:8::2",
    prefix4: 24,
    prefix6: 64,
    features: [],
    mtu: 1400,
  };
}

/** What a client got before the connection ended, as JSON; null for nothing at all. */
// deno-lint-ignore no-explicit-any
export type Answer = any;

interface TestClientOptions extends tls.ConnectionOptions {
  /** Pieces to send one by one; the next goes out when the last has been handed to the kernel. */
  readonly pieces?: readonly string[];
  readonly halfClose?: "after the request" | "never";
  /** An address of the loopback network to come from. */
  readonly localAddress?: string;
}

/** A client of node:tls that sends what it is told. Never rejects: a refusal is a null. */
export function ask(
  bench: Pick<TestBench, "authority" | "server">,
  certificate: TestCertificate | null,
  options: TestClientOptions = {},
): Promise<Answer> {
  const { pieces = ['{"client_name":""}'], halfClose = "after the request", ...tlsOptions } =
    options;
  const { promise, resolve } = Promise.withResolvers<Answer>();
  let text = "";
  const socket = tls.connect({
    host: "127.0.0.1",
    port: bench.server.port,
    ca: bench.authority.certPem,
    ...(certificate === null ? {} : { cert: certificate.certPem, key: certificate.keyPem }),
    ...tlsOptions,
  });
  socket.setNoDelay(true);
  const sendFrom = (index: number): void => {
    const piece = pieces[index];
    // Deno never calls back for an empty write.
    if (piece === "") sendFrom(index + 1);
    else if (piece !== undefined) socket.write(piece, () => sendFrom(index + 1));
    else if (halfClose === "after the request") socket.end();
  };
  socket.on("secureConnect", () => sendFrom(0));
  socket.on("data", (chunk) => text += chunk);
  socket.on("error", () => {});
  socket.on("close", () => resolve(text === "" ? null : JSON.parse(text)));
  return promise;
}

/** Runs `openssl s_client` with `input` on its standard input, and returns what it prints. */
export async function opensslClient(
  bench: TestBench,
  certificate: TestCertificate,
  input: string,
  ...args: string[]
): Promise<string> {
  const child = new Deno.Command("openssl", {
    args: [
      ...["s_client", "-connect", `127.0.0.1:${bench.server.port}`, "-ign_eof"],
      ...["-CAfile", bench.authority.certFile, "-cert", certificate.certFile],
      ...["-key", certificate.keyFile, ...args],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}
