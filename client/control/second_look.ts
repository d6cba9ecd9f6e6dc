import { type Target, type UntrustedBecause, untrustedServer } from "./connection_failure.ts";
import type { ControlError } from "./control_error.ts";

/**
 * Finds out why the certificate of a server was not trusted. node:tls has one word for an unknown
 * authority, a wrong usage and a date in the future, and the last is what a machine sees that starts
 * with its clock in the past: it must try again, not give up. So this makes a second connection,
 * which sends nothing but the handshake, and reads the reason from its error. Takes `timeoutMs` at
 * most; without a clear reason the answer is "other authority".
 */
export async function lookAgain(
  target: Target,
  caPem: string,
  timeoutMs: number,
): Promise<ControlError> {
  const { promise: tooLate, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve(""), timeoutMs);
  const reason = await Promise.race([handshakeError(target, caPem), tooLate]);
  clearTimeout(timer);
  return untrustedServer(target, classify(reason));
}

async function handshakeError({ address, port }: Target, caPem: string): Promise<string> {
  try {
    using connection = await Deno.connectTls({ hostname: address, port, caCerts: [caPem] });
    await connection.handshake();
    // One of the public authorities, which count here and nowhere else.
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
}

function classify(reason: string): UntrustedBecause {
  if (/not valid yet|NotValidYet/i.test(reason)) return "not valid yet";
  if (/key usage|purpose/i.test(reason)) return "not for servers";
  return "other authority";
}
