import { deepEqual, equal, rejects } from "node:assert/strict";
import { EXIT_OK } from "../../lib/cli/exit.ts";
import { waitForDrain } from "./ask.ts";

/** A server whose sessions are as many as `sessions` tells, one look after the other. */
function drainingServer(...sessions: number[]) {
  const asked: string[] = [];
  let isDraining = false;
  let turn = 0;
  const ask = (command: string) => {
    asked.push(command);
    if (command === "drain") isDraining = true;
    return Promise.resolve({
      isDraining,
      sessions: sessions[Math.min(turn++, sessions.length - 1)],
    });
  };
  return { asked, ask, stop: () => void (isDraining = false) };
}

Deno.test("drain is asked for once, and waits until no client is left", async () => {
  const server = drainingServer(2, 1, 0);
  equal(await waitForDrain(server, 60_000, () => Promise.resolve()), EXIT_OK);
  deepEqual(server.asked, ["drain", "status", "status"]);
});

Deno.test("a drain that waits does not undo drain --stop, and says so", async () => {
  const server = drainingServer(2);
  const nextLook = () => Promise.resolve(server.stop());
  await rejects(waitForDrain(server, 60_000, nextLook), /takes clients again .*; 2 are connected/);
  deepEqual(server.asked, ["drain", "status"]);
});

Deno.test("a drain that takes too long tells how many clients are left", async () => {
  await rejects(waitForDrain(drainingServer(2), 0), /Cannot move all clients away: 2 are still/);
});
