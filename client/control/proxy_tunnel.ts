/** A connection to the server through an HTTP proxy, and what it means when there is none. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { ConnectAnswerReader, connectRequest } from "../../lib/protocol/wire/http_connect.ts";
import { proxyPlace, type ProxySetting } from "../transport/proxy_setting.ts";
import { abortedError, ControlError } from "./control_error.ts";

const READ_BYTES = 2048;

/** What a proxy is asked for. */
export interface ProxyTunnel {
  readonly proxy: ProxySetting;
  /** Name or address of the server, and its port. */
  readonly host: string;
  readonly port: number;
}

/** Asks the proxy at the other end of `tcp`; closes that when there is no tunnel. @throws ControlError */
export async function openTunnel(
  tcp: Deno.TcpConn,
  tunnel: ProxyTunnel,
  signal: AbortSignal,
): Promise<void> {
  const close = () => {
    try {
      tcp.close();
    } catch {
      // It was closed before.
    }
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    await ask(tcp, tunnel);
    signal.removeEventListener("abort", close);
    if (signal.aborted) throw abortedError();
  } catch (error) {
    signal.removeEventListener("abort", close);
    close();
    if (signal.aborted) throw abortedError();
    throw error instanceof ControlError ? error : proxyNonsense(tunnel.proxy);
  }
}

async function ask(tcp: Deno.TcpConn, { proxy, host, port }: ProxyTunnel): Promise<void> {
  const request = connectRequest(host, port, proxy.authorization);
  for (let sent = 0; sent < request.length;) sent += await tcp.write(request.subarray(sent));
  request.fill(0);
  const reader = new ConnectAnswerReader();
  const chunk = new Uint8Array(READ_BYTES);
  for (;;) {
    const length = await tcp.read(chunk);
    if (length === null) throw proxyNonsense(proxy);
    const answer = reader.read(chunk.subarray(0, length));
    if (answer.kind === "open") return;
    if (answer.kind === "nonsense") throw proxyNonsense(proxy);
    if (answer.kind === "refused") throw proxyRefused(proxy, answer);
  }
}

export function proxyUnreachable(error: unknown, { proxy }: ProxyTunnel): ControlError {
  const reason = error instanceof Deno.errors.ConnectionRefused
    ? "nothing listens there"
    : messageOf(error);
  return new ControlError(
    "proxy failed",
    `Cannot reach the proxy at ${proxyPlace(proxy)}: ${reason}; check -proxy, or leave it out ` +
      "where the server can be reached without",
    { retryable: true },
  );
}

export function proxyNonsense(proxy: ProxySetting): ControlError {
  return new ControlError(
    "proxy failed",
    `What listens at ${
      proxyPlace(proxy)
    } does not answer as an HTTP proxy does; check the address ` +
      "and the port in -proxy",
    { retryable: true },
  );
}

export function proxyRefused(
  proxy: ProxySetting,
  { status, reason }: { readonly status: number; readonly reason: string },
): ControlError {
  const said = `${status}${reason === "" ? "" : ` ${reason}`}`;
  // Some say 401 to who has given a wrong password.
  const message = status === 407 || status === 401
    ? proxy.authorization === null
      ? "it wants a user and a password: give -proxy http://USER:PASSWORD@HOST:PORT in a file, as " +
        "-proxy file:PATH"
      : "it does not take the user and the password in -proxy: check both; only the kind Basic is " +
        "known here"
    : status === 403 || status === 405
    ? "it lets nobody connect to the server's port: ask who runs it to allow CONNECT to it, or let " +
      "the server listen at 443 (-ctrl 443 on both)"
    : status >= 500
    ? "it cannot reach the server: check -server and -ctrl, and that the server runs"
    : "check -proxy, and ask who runs the proxy";
  return new ControlError(
    "proxy failed",
    `The proxy at ${proxyPlace(proxy)} refuses (${said}): ${message}`,
    { retryable: true },
  );
}
