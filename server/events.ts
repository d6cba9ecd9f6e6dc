/** What the data plane and the control plane tell, as lines of log and ends of sessions. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import type { EngineEvent } from "../lib/net/engine.ts";
import type { ControlEvent } from "./control/control_server.ts";
import type { LiveSession, SessionRegistry } from "./sessions/session_registry.ts";
import type { SharedCertificate, SharedCertificates } from "./sessions/shared_certificates.ts";

const log = getLogger([LOG_CATEGORY, "server"]);

/** Says what the engine tells, and ends the sessions it has ended. `fail` takes its faults. */
export function handleEngineEvent(
  event: EngineEvent,
  registry: SessionRegistry,
  fail: (error: Error) => void,
): void {
  switch (event.kind) {
    case "path changed": {
      const name = registry.nameOf(event.session) ?? "?";
      if (event.state === "up") registry.heard(event.session);
      log.debug("{name}: {path} from {peer} is {state}", { ...event, name, path: event.name });
      return;
    }
    case "path MTU":
      return; // only clients look for it
    case "asked to leave":
      return; // what this side says, not what it hears
    case "volume":
      return registry.policy?.carried(event);
    case "bye":
      return logEnd(registry.left(event.session), "it left");
    case "idle": {
      const session = registry.fellIdle(event.session);
      return logEnd(
        session,
        session?.isHeard ? "it has been silent for 2 minutes" : "nothing came on it for 2 minutes",
      );
    }
    case "session failed":
      return logEnd(registry.fellIdle(event.session), `it cannot go on: ${event.message}`);
    case "thread ended":
      return void log.error(
        "an engine thread has ended, and another takes its place; its {sessions} clients will ask for " +
          "new sessions: {message}",
        { ...event },
      );
    case "fault":
      return fail(new Error(event.message));
    default:
      event satisfies never;
  }
}

/** Follows which client speaks from where, in front of {@link handleEngineEvent}. */
export function noteMachine(
  event: EngineEvent,
  registry: SessionRegistry,
  shared: SharedCertificates,
): void {
  if (event.kind !== "bye" && event.kind !== "path changed") return;
  const name = registry.byId(event.session)?.name;
  if (name === undefined) return;
  if (event.kind === "bye") shared.left(name);
  else if (event.state === "up") shared.heard(name, event.peer);
}

export function logShared({ name, address, otherAddress }: SharedCertificate): void {
  log.warn(
    "the certificate of {name} is used by two machines at once, from {address} and " +
      "{otherAddress}, and they take the session from each other: give each its own with " +
      '"fluxify-server cert new NAME"',
    { name, address, otherAddress },
  );
}

export function logControlEvent(event: ControlEvent): void {
  switch (event.event) {
    case "granted":
      log.info(`session for {commonName} from {remoteAddress}${more(event)}`, { ...event });
      return;
    case "refused":
      log.warn(`refused {remoteAddress}${more(event)}: {message}`, { ...event });
      return;
    case "handshakes failed":
      log.warn(
        event.count === 1
          ? "a handshake failed, from {lastAddress}: {lastReason}"
          : "{count} handshakes failed, the last from {lastAddress}: {lastReason}",
        { ...event },
      );
      return;
    case "left silently": {
      const { count, lastAddress } = event;
      const text =
        "{count} connections to the control port were closed by the peer before it said " +
        "anything, the last from {lastAddress}";
      if (count < SILENT_MANY) log.debug(text, { count, lastAddress });
      else log.warn(text, { count, lastAddress });
      return;
    }
    case "failed":
      log.error(`control plane: cannot {what}: {reason}${more(event)}`, { ...event });
      return;
    default:
      event satisfies never;
  }
}

/** Connections without a word in ten seconds: fewer are checks of the port, and no news. */
const SILENT_MANY = 100;

/** Tells of events of the kind that had no line of their own. */
function more({ suppressed }: { readonly suppressed: number }): string {
  return suppressed === 0 ? "" : ", and {suppressed} more lately";
}

function logEnd(session: LiveSession | null, why: string): void {
  if (session !== null) log.info("session of {name} ended: {why}", { name: session.name, why });
}
