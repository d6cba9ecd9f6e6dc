/**
 * Whether clients are served that speak v1 only, and what is said of them. v1 has random nonces, no
 * replay window and one key for both ways, so it is off unless the operator turns it on.
 */
import { FEATURE_X1 } from "../../lib/net/driver/features.ts";
import type { ControlRefusal } from "../../lib/protocol/wire/control_message.ts";

const NAMES_MAX = 512;

interface Client {
  readonly commonName: string;
  readonly features: readonly string[];
}

export class V1Policy {
  readonly #accepts: boolean;
  /** Clients whose version has been told, the first told first. */
  readonly #told = new Set<string>();

  constructor(accepts: boolean) {
    this.#accepts = accepts;
  }

  /** What to answer a client that is not served; null: it is served. */
  refusal({ features }: Client): ControlRefusal | null {
    if (this.#accepts || features.includes(FEATURE_X1)) return null;
    return {
      kind: "refusal",
      code: "v1_refused",
      message: "this client speaks v1 only, which has no protection against replays: bring it up " +
        "to date, or have the operator of the server start it with -accept-v1",
    };
  }

  /** Whether the log is to say that a client that was served speaks v1: once for each. */
  isNews({ commonName, features }: Client): boolean {
    if (features.includes(FEATURE_X1) || this.#told.has(commonName)) return false;
    this.#told.add(commonName);
    if (this.#told.size > NAMES_MAX) {
      const [oldest] = this.#told;
      this.#told.delete(oldest!);
    }
    return true;
  }
}
