/** Features of the control exchange, and what they enable in an engine. */
import { dictionaryFeature } from "../../protocol/compression/dictionary.ts";
import type { EngineSession } from "../engine.ts";

/** Section 4 of docs/protocol.md. */
export const FEATURE_X1 = "x1";
/** The receiver passes congestion that a datagram met on to the packet inside (RFC 6040). */
export const FEATURE_ECN = "ecn";

/** Acknowledgements and the order extension: one flow over several paths. */
export const FEATURE_ORDER = "order-1";

/** Repair records, for flows over several paths. */
export const FEATURE_REPAIR = "repair-1";

/** The part of a session that follows from the features the server has enabled. */
export function sessionFeatures(
  features: readonly string[],
): Pick<EngineSession, "x1" | "usesDictionary" | "carriesEcn" | "ordersFlows" | "repairs"> {
  const x1 = features.includes(FEATURE_X1);
  return {
    x1,
    usesDictionary: x1 && features.includes(dictionaryFeature()),
    ordersFlows: x1 && features.includes(FEATURE_ORDER),
    repairs: x1 && features.includes(FEATURE_ORDER) && features.includes(FEATURE_REPAIR),
    carriesEcn: x1 && features.includes(FEATURE_ECN),
  };
}
