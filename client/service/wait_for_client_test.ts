import { deepEqual, equal } from "node:assert/strict";
import { bondStatus } from "../screen/test_bond_status.ts";
import type { ClientStatus } from "../local_socket/client_socket.ts";
import { type Progress, waitForClient } from "./wait_for_client.ts";

const STATUS = { mode: "bonding", bond: bondStatus(["one"]), phase: "up" } as ClientStatus;

/** Waits with time that passes in its pauses alone. */
async function waited(
  progress: readonly Progress[],
  ends: readonly (string | null)[],
  limitMs = 1000,
) {
  let nowMs = 0;
  let looks = 0;
  const at = <T>(all: readonly T[], look: number) => all[Math.min(look, all.length - 1)]!;
  const outcome = await waitForClient({
    look: () => Promise.resolve(at(progress, looks++)),
    end: () => Promise.resolve(at(ends, looks - 1)),
    pause: (ms) => {
      nowMs += ms;
      return Promise.resolve();
    },
    nowMs: () => nowMs,
  }, limitMs);
  return { outcome, looks };
}

Deno.test("a client is waited for until it is up", async () => {
  const connecting: Progress = { state: "connecting", why: "no answer" };
  const progress: Progress[] = [{ state: "none" }, connecting, { state: "up", status: STATUS }];
  const { outcome, looks } = await waited(progress, [null]);
  deepEqual([outcome.state, looks], ["up", 3]);
});

Deno.test("one that ends is not waited for, and its reason is told", async () => {
  const { outcome } = await waited([{ state: "none" }], [null, "the certificate was refused"]);
  deepEqual(outcome, { state: "ended", why: "the certificate was refused" });
});

Deno.test("where somebody else started one at the same time, that one is waited for", async () => {
  const progress: Progress[] = [
    { state: "none" },
    { state: "connecting", why: null },
    { state: "connecting", why: null },
    { state: "up", status: STATUS },
  ];
  const { outcome } = await waited(progress, [null, "the TUN device is busy"]);
  equal(outcome.state, "up");
  const ended = await waited([progress[1]!, progress[0]!], [null, "a fault"]);
  deepEqual(ended.outcome, { state: "ended", why: "a fault" });
});

Deno.test("one that goes on connecting is given up in time, with the last reason", async () => {
  const progress: Progress[] = [
    { state: "connecting", why: "no name service" },
    { state: "connecting", why: null },
  ];
  const { outcome, looks } = await waited(progress, [null]);
  deepEqual(outcome, { state: "still connecting", why: "no name service" });
  equal(looks, 6);
});
