import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import type { ClientCredentials, ExchangeOptions } from "./exchange.ts";
import { TestAuthority, type TestCertificate } from "./test_certificates.ts";

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

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  /** Sockets that are open. */
  readonly open: ReadonlySet<net.Socket>;
}

export interface TestTlsOptions {
  readonly certificate: TestCertificate;
  readonly clientAuthority: TestAuthority;
  readonly host?: string;
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
    serve(socket);
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return startTcpServer((socket) => void server.emit("connection", socket), options.host);
}

/** A TCP server on the loopback; its connections stay half-open until it closes them. */
export async function startTcpServer(
  serve: (socket: net.Socket) => void,
  host = "127.0.0.1",
): Promise<TestServer> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => open.delete(socket));
    serve(socket);
  });
  server.listen(0, host);
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

/** Waits until `state` holds; throws when it never does. */
export async function until(what: string, state: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 2000; attempt++) {
    if (state()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`It never came to this: ${what}`);
}
