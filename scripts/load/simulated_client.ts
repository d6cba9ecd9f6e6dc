/** One client of a fleet. */
import type { CipherSuite } from "../../lib/protocol/crypto/key_epochs.ts";
import type { Opener, Sealer } from "../../lib/ffi/libcrypto/aes_gcm.ts";
import { STORED_PACKETS_MAX } from "../../lib/net/driver/packet_store.ts";
import type { Timed } from "../../lib/net/driver/timer_heap.ts";
import { sessionFeatures } from "../../lib/net/driver/features.ts";
import type { FlowTable } from "../../lib/protocol/schedule/flow_table.ts";
import { Session } from "../../lib/protocol/session/session.ts";
import { x1Wire } from "../../lib/protocol/session/x1_wire.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";

export class SimulatedClient implements Timed {
  readonly session: Session<Sealer, Opener>;
  /** Its address inside the tunnel. */
  readonly ipv4: string;
  dueAt = Infinity;
  heapIndex = -1;
  isTouched = false;
  /** When the session's timers are due. */
  timeoutAt = 0;
  pingAt = Infinity;
  pingEveryMs = Infinity;
  /** Sent so far. */
  pings = 0;
  /** Slots of the scheduler's that hold no packet, of those there are. */
  readonly #freeSlots: number[] = [];
  #slots = 0;

  /**
   * @param flows where the flows of all clients go.
   * @param scheduler of the client, which the server follows.
   */
  constructor(
    grant: ControlGrant,
    suite: CipherSuite<Sealer, Opener>,
    flows: FlowTable,
    scheduler: SchedulerName,
    now: number,
  ) {
    const { ordersFlows = false } = sessionFeatures(grant.features);
    this.ipv4 = grant.clientIp;
    this.session = new Session({
      role: "client",
      id: grant.sessionId,
      key: grant.sessionKey,
      suite,
      flows,
      scheduler,
      random: (into) => crypto.getRandomValues(into),
      now,
      wire: x1Wire({ ordersFlows, mtuCeiling: grant.mtu }),
    });
    grant.sessionKey.fill(0);
  }

  /** A slot for one more packet, or -1: it has too many. */
  takeSlot(): number {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    return this.#slots < STORED_PACKETS_MAX ? this.#slots++ : -1;
  }

  releaseSlot(slot: number): void {
    this.#freeSlots.push(slot);
  }
}
