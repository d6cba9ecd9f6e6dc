import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import { equal, ok } from "node:assert/strict";
import { ControlError, type ControlErrorCode } from "./control_error.ts";
import { type ClientCredentials, exchange, type ExchangeOptions } from "./exchange.ts";
import { TestAuthority, type TestCertificate } from "../../tests/support/test_certificates.ts";

export { until } from "../../testing/until.ts";

/** The authority, server and client certificates that most cases share. */
export interface TestPki extends AsyncDisposable {
  readonly authority: TestAuthority;
  readonly server: TestCertificate;
  readonly alice: ClientCredentials;
}

export async function createTestPki(): Promise<TestPki> {
  const authority = await TestAuthority.create();
  return {
    authority,
    server: await authority.issueServer("server"),
    alice: credentialsOf(await authority.issue("alice"), authority),
    [Symbol.asyncDispose]: () => authority[Symbol.asyncDispose](),
  };
}

export function credentialsOf(
  { certPem, keyPem }: TestCertificate,
  authority: TestAuthority,
): ClientCredentials {
  return { certPem, keyPem, caPem: authority.certPem };
}

interface TestServer extends AsyncDisposable {
  readonly port: number;
  /** Sockets that are open. */
  readonly open: ReadonlySet<net.Socket>;
}

interface TestTlsOptions {
  readonly certificate: TestCertificate;
  readonly clientAuthority: TestAuthority;
  readonly host?: string;
  /** Any unless given. */
  readonly port?: number;
  readonly tls?: tls.TlsOptions;
}

/** A TLS server on the loopback that does with each proven client what it is told. */
export function startTlsServer(
  options: TestTlsOptions,
  serve: (socket: TLSSocket) => void,
): Promise<TestServer> {
  const server = tls.createServer({
    cert: options.certificate.certPem,
    key: options.certificate.keyPem,
    ca: options.clientAuthority.certPem,
    requestCert: true,
    rejectUnauthorized: true,
    ...options.tls,
  }, (socket) => {
    socket.on("error", () => {});
    socket.allowHalfOpen = true;
    serve(socket);
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return startTcpServer((socket) => void server.emit("connection", socket), options);
}

/** A TCP server on the loopback. */
export async function startTcpServer(
  serve: (socket: net.Socket) => void,
  { host = "127.0.0.1", port = 0 }: Pick<TestTlsOptions, "host" | "port"> = {},
): Promise<TestServer> {
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => open.delete(socket));
    serve(socket);
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    open,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Options for an exchange with a server on 127.0.0.1. */
export function optionsFor(
  port: number,
  credentials: ClientCredentials,
  more: Partial<ExchangeOptions> = {},
): ExchangeOptions {
  return { server: "127.0.0.1", port, credentials, features: [], clientVersion: "test", ...more };
}

/** A response as it is on the wire. */
export const GRANT = {
  session_id: 7,
  session_key: "q".repeat(42) + "o=",
  udp_port: 8000,
  client_ip: "10.8.0.2",
  client_ip6: "fd00:8::2",
  features: ["x1"],
};

/** A server that answers with `answer` when the client has half-closed. */
export function startServer(pki: TestPki, answer: string, end: "ends" | "stays open" = "ends") {
  const options = { certificate: pki.server, clientAuthority: pki.authority };
  return startTlsServer(options, (socket) => {
    socket.resume();
    socket.on("end", () => end === "ends" ? socket.end(answer) : socket.write(answer));
  });
}

/** Runs an exchange that must fail with `code`, and returns its error. */
export async function failure(
  code: ControlErrorCode,
  options: ExchangeOptions,
): Promise<ControlError> {
  const error = await exchange(options).then(() => null, (error) => error);
  ok(error instanceof ControlError, `a ControlError '${code}', not ${error}`);
  equal(error.code, code, error.message);
  ok(!error.message.endsWith("."), error.message);
  ok(!error.message.includes("PRIVATE KEY"));
  return error;
}
