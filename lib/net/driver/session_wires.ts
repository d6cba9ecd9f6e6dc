/** The wire that each session of a driver speaks: the only place that asks which. */
import { v1Wire } from "../../protocol/v1/v1_wire.ts";
import { SequenceCounters } from "../../protocol/v1/sequence_counters.ts";
import type { WireFormat } from "../../protocol/session/wire.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { ORDER_EXTENSION_LENGTH } from "../../protocol/wire/order_extension.ts";
import type { EngineSession } from "../engine.ts";
import { addressProof } from "./address_proof.ts";

export class SessionWires {
  readonly #unixOffsetMs: number;
  /** A v1 client goes on counting from one session to the next. */
  readonly #sequences = new SequenceCounters();

  /** @param unixOffsetMs what to add to `now` for the time of day, in ms since 1970. */
  constructor(unixOffsetMs: number) {
    this.#unixOffsetMs = unixOffsetMs;
  }

  of(spec: EngineSession, now: number): WireFormat {
    const { role, x1, name, tuning, mtu, ordersFlows, repairs } = spec;
    if (x1) {
      return x1Wire({
        ordersFlows: ordersFlows === true,
        repairs: repairs === true,
        // A packet that is put in order is longer by that, and the tunnel's largest has to pass.
        mtuCeiling: tuning.probeMtu ? mtu + (ordersFlows ? ORDER_EXTENSION_LENGTH : 0) : null,
      });
    }
    const unixOffsetMs = this.#unixOffsetMs;
    if (role === "client") return v1Wire({ unixOffsetMs });
    const sequenceCounter = this.#sequences.of(name, now + unixOffsetMs);
    return v1Wire({ unixOffsetMs, sequenceCounter, ...addressProof(spec) });
  }
}
