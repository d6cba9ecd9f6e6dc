/** Why the store does not do what it is asked, in words that say what to look at; never what was sent. */
import { JetStreamApiError } from "@nats-io/jetstream";
import {
  AuthorizationError,
  NoRespondersError,
  PermissionViolationError,
  TimeoutError,
} from "@nats-io/transport-node";
import { messageOf } from "../../../lib/ffi/error_text.ts";

/** Causes of causes that are looked at. */
const CAUSES_MAX = 4;

const STORAGE = "there is no room for what servers share: raise max_file_store in the store's " +
  "configuration, or the limits of its account, and look at its disk";
const NO_CLUSTER =
  "it keeps no copies on so many machines: name machines of one cluster in -store, " +
  "all of which run, or one machine alone";
const NO_JETSTREAM =
  'JetStream is off there, or for this account: add "jetstream { ... }" to its ' +
  "configuration";

/** By the service's number of the error. */
const WORDS: ReadonlyMap<number, string> = new Map([
  [10002, STORAGE], // resource limits exceeded for account
  [10005, NO_CLUSTER], // no suitable peers for placement
  [10023, STORAGE], // insufficient resources
  [10026, STORAGE], // maximum consumers limit reached
  [10027, STORAGE], // maximum number of streams reached
  [10028, STORAGE], // insufficient memory
  [10039, NO_JETSTREAM], // not enabled for account
  [10047, STORAGE], // insufficient storage resources available
  [10074, NO_CLUSTER], // replicas > 1 not supported in non-clustered mode
  [10076, NO_JETSTREAM], // not enabled
  [10077, STORAGE], // message could not be stored: maximum bytes exceeded and the like
]);

export function reasonOf(error: unknown): string {
  let each = error;
  for (let depth = 0; depth < CAUSES_MAX && each instanceof Error; depth++, each = each.cause) {
    const known = knownReason(each);
    if (known !== null) return known;
  }
  return messageOf(error);
}

function knownReason(error: Error): string | null {
  if (error instanceof AuthorizationError) {
    return "it does not take these credentials; check -store-credentials";
  }
  if (error instanceof PermissionViolationError) return forbidden(error);
  // Its class is not to be had.
  if (error.name === "JetStreamNotEnabled") return NO_JETSTREAM;
  if (error instanceof JetStreamApiError) {
    const words = WORDS.get(error.code);
    return words === undefined ? null : `${words} (${error.message})`;
  }
  if (error instanceof TimeoutError) return "no answer in time";
  if (error instanceof NoRespondersError) {
    return "it has no leader for the moment, or JetStream is off there";
  }
  return null;
}

function forbidden({ operation, subject }: PermissionViolationError): string {
  const what = operation === "publish" ? "publish to" : "subscribe to";
  return `its user may not ${what} ${subject}: let it publish to $JS.API.> and $KV.fluxify.>, and ` +
    "subscribe to _INBOX.>, in the permissions of the store's user";
}
