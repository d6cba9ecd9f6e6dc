import { messageOf } from "../../lib/ffi/error_text.ts";
import { isIP } from "node:net";
import { errnoName } from "../../lib/ffi/libc/errno.ts";
import { TlsError } from "../../lib/ffi/libssl/tls_session.ts";
import { ControlError, type ControlErrorCode } from "./control_error.ts";

/** How far a connection came. */
export type Stage = "connecting" | "proxy" | "TLS handshake" | "waiting for the answer";

/** Where a connection goes, for messages. */
export interface Target {
  /** The name or address that the certificate must be for. */
  readonly server: string;
  readonly address: string;
  readonly port: number;
}

const RENEW = "get a new bundle from the operator of the server";

/** Certificate alerts of RFC 8446, section 6.2: what the server holds against the client's. */
const CERTIFICATE_ALERT =
  /alert (bad certificate|unsupported certificate|certificate \w+|unknown ca|access denied)/;

type UntrustedBecause =
  | "expired"
  | "not valid yet"
  | "not for servers"
  | "other authority";

/** X509_V_ERR of <openssl/x509_vfy.h>; all others are of the chain. */
const UNTRUSTED: Readonly<Record<number, UntrustedBecause>> = {
  9: "not valid yet",
  10: "expired",
  26: "not for servers",
};

/** Says in words of ours what an error of the connection in `stage` means. */
export function explainFailure(error: unknown, stage: Stage, target: Target): ControlError {
  if (error instanceof ControlError) return error;
  if (!(error instanceof TlsError)) return explainClose(stage, target);
  const { reason, verifyCode } = error;
  if (verifyCode !== 0) return untrustedServer(target, UNTRUSTED[verifyCode] ?? "other authority");
  const alert = CERTIFICATE_ALERT.exec(reason)?.[1];
  if (alert !== undefined) return clientRefused(target, alert);
  if (stage === "TLS handshake") {
    return new ControlError(
      "not a control server",
      `Cannot talk to ${
        place(target)
      }: what listens there does not speak TLS 1.3 as a Fluxify server ` +
        "does; check the address and the port of the control plane",
      { retryable: false },
    );
  }
  return explainClose(stage, target);
}

/** Says what it means when the server closes in `stage` without an answer. */
export function explainClose(stage: Stage, target: Target): ControlError {
  if (stage === "waiting for the answer") return clientRefused(target, null);
  return new ControlError(
    "connection lost",
    `Lost the connection to ${place(target)} in the TLS handshake: the server may be busy or ` +
      "restarting or refuse this client's certificate, or something else listens there; try again, " +
      "then check the address and the port",
    { retryable: true },
  );
}

export function explainTimeout(stage: Stage, target: Target, timeoutMs: number): ControlError {
  const seconds = `${Math.max(0.1, Math.round(timeoutMs / 100) / 10)} s`;
  const message = stage === "proxy"
    ? `No answer from the proxy within ${seconds}, though it takes connections; check that -proxy ` +
      "is the address of an HTTP proxy, and ask who runs it"
    : stage === "connecting"
    ? `No answer from ${
      place(target)
    } within ${seconds}; check the address, that the server runs, ` +
      `and that firewalls let TCP port ${target.port} through`
    : `Connected to ${place(target)}, but ${
      stage === "TLS handshake" ? "the TLS handshake did not end" : "the server did not answer"
    } within ${seconds}; check the address and port, and the log of the server`;
  return new ControlError("timed out", message, { retryable: true });
}

export function untrustedServer(target: Target, because: UntrustedBecause): ControlError {
  const [code, retryable, reason, remedy] = UNTRUSTED_WORDS[because];
  const message = `Cannot trust the server at ${
    place(target)
  }: its certificate ${reason}; ${remedy}`;
  return new ControlError(code, message, { retryable });
}

const UNTRUSTED_WORDS: Readonly<
  Record<UntrustedBecause, readonly [ControlErrorCode, boolean, string, string]>
> = {
  "expired": [
    "server certificate out of date",
    true,
    "has expired",
    "have its operator renew it, and check the clock of this machine",
  ],
  "not valid yet": [
    "server certificate out of date",
    true,
    "is not valid yet",
    "check the clock of this machine",
  ],
  "not for servers": [
    "server certificate of another authority",
    false,
    "was not made for a server",
    "something else plays the server: check the address, and tell its operator",
  ],
  "other authority": [
    "server certificate of another authority",
    false,
    "is not of the authority in this client's bundle",
    "check the address, or get a bundle of this server from its operator",
  ],
};

/** `names` is what the certificate of the server is for, in Node's words: "DNS:a, IP Address:b". */
export function wrongServerName(target: Target, names: string): ControlError {
  const list = names.replaceAll("IP Address:", "").replaceAll("DNS:", "");
  const remedy = list === ""
    ? "have its operator make one that names it"
    : "connect by one of these names, or have its operator add the one you use";
  return new ControlError(
    "server certificate of another name",
    `Cannot trust the server at ${place(target)}: its certificate is for ${list || "no name"}, ` +
      `not for ${target.server}; ${remedy}`,
    { retryable: false },
  );
}

/** The address and port, with the name in front when there is one. */
export function place({ server, address, port }: Target): string {
  const plain = hostAndPort(address, port);
  return server === address ? plain : `${server} (${plain})`;
}

/** As in `203.0.113.10:8443`, `[2001:db8::10]:8443` or `vpn.example.com:8443`. */
export function hostAndPort(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function clientRefused(target: Target, alert: string | null): ControlError {
  const what = alert === null
    ? `The server at ${
      place(target)
    } closed the connection without a word: most likely it does not ` +
      "accept the certificate of this client"
    : `The server at ${
      place(target)
    } does not accept the certificate of this client: it says '${alert}'`;
  return new ControlError(
    "client certificate refused",
    `${what}; check that it has not expired or been revoked and that the bundle is of this server, ` +
      `or ${RENEW}`,
    { retryable: true },
  );
}

/** Says what it means that no connection could be made. */
export function explainConnect(error: unknown, target: Target): ControlError {
  if (error instanceof Deno.errors.ConnectionRefused) {
    return new ControlError(
      "connection refused",
      `Cannot connect to ${
        place(target)
      }: nothing listens there; check that the server runs, and ` +
        "the address and port",
      { retryable: true },
    );
  }
  const message = messageOf(error);
  const number = /\(os error (\d+)\)/.exec(message)?.[1];
  const reason = number === undefined ? message : errnoName(Number(number));
  return new ControlError(
    "unreachable",
    `Cannot reach ${
      place(target)
    } (${reason}); check that the address is right, that this machine ` +
      "is online, and that it has a route to the server",
    { retryable: true },
  );
}
