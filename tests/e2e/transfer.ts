/** Transfers through the tunnel that run while something happens to it. */

import { ok } from "node:assert/strict";
import type { Child, Namespace } from "../netns/namespace.ts";
import type { Measure } from "./scenario.ts";
import type { TransferResult } from "./transfer_program.ts";

const PROGRAM = [
  ...[Deno.execPath(), "run", "-A", "--no-lock"],
  new URL("transfer_program.ts", import.meta.url).pathname,
];
const PORT = "5400";
const START_TIMEOUT_MS = 20_000;
/** Behind the planned time: retransmissions after a fault, and the 25 s after which it gives up. */
const PATIENCE_MS = 45_000;

export interface TransferPlan {
  to: string;
  /** In each direction, all flows together. */
  mbit: number;
  seconds: number;
  flows: number;
}

/** Answers transfers in this namespace until it goes. */
export async function serveTransfers(machine: Namespace): Promise<Child> {
  const child = machine.spawn([...PROGRAM, "serve", PORT]);
  await child.waitForLine(/listening/, START_TIMEOUT_MS);
  return child;
}

export class Transfer {
  readonly #child: Child;
  readonly #plan: TransferPlan;

  private constructor(child: Child, plan: TransferPlan) {
    this.#child = child;
    this.#plan = plan;
  }

  /** Returns when every flow has brought something. */
  static async start(machine: Namespace, plan: TransferPlan): Promise<Transfer> {
    const { to, mbit, seconds, flows } = plan;
    const child = machine.spawn([
      ...PROGRAM,
      "run",
      to,
      PORT,
      ...[mbit, seconds, flows].map(String),
    ]);
    await child.waitForLine(/^running$/, START_TIMEOUT_MS);
    return new Transfer(child, plan);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null;
  }

  async result(): Promise<TransferResult> {
    const timeoutMs = this.#plan.seconds * 1000 + PATIENCE_MS;
    const [line] = await this.#child.waitForLine(/^\{.*\}$/, timeoutMs);
    await this.#child.ended;
    return JSON.parse(line);
  }

  /** Waits for the end, measures it, and fails unless every byte arrived in both directions. */
  async complete(measure: Measure): Promise<TransferResult> {
    const result = await this.result();
    const { expectedBytes, down, up } = result;
    measure("transferred", (down.bytes + up.bytes) / 1e6, "MB");
    measure("longest gap down", down.longestGapMs, "ms");
    measure("longest gap up", up.longestGapMs, "ms");
    ok(down.isIntact && up.isIntact, `of ${expectedBytes} bytes: ${JSON.stringify(result)}`);
    return result;
  }
}
