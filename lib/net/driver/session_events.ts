/** Passes the events of a session on as events of the engine. */
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { Session } from "../../protocol/session/session.ts";
import type { EngineEvent } from "../engine.ts";

/** Passes on the events of `session` that wait. */
export function emitSessionEvents<S extends Cipher, O extends Cipher>(
  session: Session<S, O>,
  emit: (event: EngineEvent) => void,
): void {
  for (let event = session.pollEvent(); event !== null; event = session.pollEvent()) {
    switch (event.name) {
      case "bye":
        emit({ kind: "bye", session: session.id });
        break;
      case "asked to leave":
        emit({ kind: "asked to leave", session: session.id });
        break;
      case "path changed": {
        const { path: { id, name, peer }, state } = event;
        const path = { session: session.id, path: id, name, state, peer: peer.toString() };
        emit({ kind: "path changed", ...path });
        break;
      }
      case "path MTU": {
        const { path: { id, name }, wasBlackhole } = event;
        const mtu = session.packetBytesOf(event.mtu);
        emit({ kind: "path MTU", session: session.id, path: id, name, mtu, wasBlackhole });
        break;
      }
      default:
        event satisfies never;
    }
  }
}
