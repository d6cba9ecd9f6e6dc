/** What the data plane and the control plane tell, as lines of log and ends of sessions. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import type { EngineEvent } from "../lib/net/engine/engine.ts";
import type { ControlEvent } from "./control/control_server.ts";
import type { SessionRegistry } from "./sessions/session_registry.ts";
import { TUN_MTU } from "./tun.ts";

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
      log.debug("{name}: {path} from {peer} is {state}", { ...event, name, path: event.name });
      return;
    }
    case "path MTU":
      return logPathMtu(event, registry.nameOf(event.session) ?? "?");
    case "bye":
    case "idle": {
      const session = registry.byId(event.session);
      if (session === undefined || !registry.end(event.session)) return;
      const why = event.kind === "bye" ? "it left" : "it has been silent for 2 minutes";
      log.info("session of {name} ended: {why}", { name: session.name, why });
      return;
    }
    case "fault":
      return fail(new Error(event.message));
    default:
      event satisfies never;
  }
}

export function logControlEvent(event: ControlEvent): void {
  switch (event.event) {
    case "granted":
      log.info("session for {commonName} from {remoteAddress}", { ...event });
      return;
    case "refused":
      log.warn("refused {remoteAddress}: {message}", { ...event });
      return;
    case "handshakes failed":
      log.warn("{count} handshakes failed, the last from {lastAddress}: {lastReason}", {
        ...event,
      });
      return;
    case "failed":
      log.error("control plane: cannot {what}: {reason}", { ...event });
      return;
    default:
      event satisfies never;
  }
}

function logPathMtu(event: Extract<EngineEvent, { kind: "path MTU" }>, client: string): void {
  const { name: path, mtu, wasBlackhole } = event;
  const found = { client, path, mtu };
  if (wasBlackhole) {
    log.warn(
      "{client}: {path} loses packets of more than {mtu} bytes without a word; smaller ones are used",
      found,
    );
  } else if (mtu < TUN_MTU) {
    log.warn("{client}: {path} carries packets of {mtu} bytes at most", found);
  } else log.debug("{client}: {path} carries packets of {mtu} bytes", found);
}
