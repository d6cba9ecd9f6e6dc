/** The second UDP port, as the start of the server and the control plane use it. */
import { SyscallError } from "../../lib/ffi/libc/errno.ts";
import type { Libc } from "../../lib/ffi/libc/libc.ts";
import type { ControlResponse } from "../../lib/protocol/wire/control_message.ts";
import { FEATURE_MAPPING } from "../../lib/protocol/wire/mapping_message.ts";
import { MappingResponder } from "./mapping_responder.ts";

/**
 * Answers at UDP `controlPort`. Null where data or another program has that port, which keeps clients
 * from nothing but learning what kind of NAT their links have.
 */
export function openMapping(
  { controlPort, port }: { readonly controlPort: number; readonly port: number },
  libc: Libc,
  warn: (line: string) => void,
): MappingResponder | null {
  if (controlPort === port) return null;
  try {
    return MappingResponder.open(libc, controlPort);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    warn(`${error.message}, so "fluxify-client diag" cannot tell what kind of NAT a link has`);
    return null;
  }
}

/** What was granted, with a ticket for the second UDP port where the client asks for one. */
export function withMapping(
  response: ControlResponse,
  { features }: { readonly features: readonly string[] },
  responder: Pick<MappingResponder, "newTicket"> | null,
): ControlResponse {
  if (response.kind !== "grant" || responder === null) return response;
  if (!features.includes(FEATURE_MAPPING)) return response;
  return {
    ...response,
    features: [...response.features, FEATURE_MAPPING],
    mapping: responder.newTicket(),
  };
}
