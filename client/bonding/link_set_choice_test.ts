import { deepEqual, equal, rejects } from "node:assert/strict";
import type { ServerRoutes } from "../../lib/host/routes/server_routes.ts";
import { makeMachine, SERVER } from "./test_link_machine.ts";

Deno.test("LinkSet takes a link in and lets one go in the session in use, with its routes", async () => {
  const removed: string[] = [];
  const routes = {
    ensure: () => Promise.resolve(),
    remove: (device: string) => Promise.resolve(void removed.push(device)),
  } as unknown as ServerRoutes;
  const { set, usable, refresh } = makeMachine([{ ...SERVER, routes }]);
  await refresh(7);
  set.choose(["b", "c"]);
  deepEqual(await refresh(7), ["remove 0 of 7"]);
  deepEqual(usable(), ["b"]);
  deepEqual(removed, ["a"]);
  equal(set.describeUnusable(), "c is not there");
  set.choose(["b", "a"]);
  deepEqual(await refresh(7), ["add a to 7"]);
  deepEqual(usable().sort(), ["a", "b"]);
  deepEqual(await refresh(7), []);
});

Deno.test("LinkSet tries again to remove the route of a link that is let go", async () => {
  const attempts: string[] = [];
  const routes = {
    ensure: () => Promise.resolve(),
    remove: (device: string) =>
      attempts.push(device) === 1 ? Promise.reject(new Error("disk full")) : Promise.resolve(),
  } as unknown as ServerRoutes;
  const { set, usable, refresh } = makeMachine([{ ...SERVER, routes }]);
  await refresh(7);
  set.choose(["b", "c"]);
  await rejects(refresh(7), /disk full/);
  await refresh(7);
  deepEqual(attempts, ["a", "a"]);
  await refresh(7);
  deepEqual(attempts, ["a", "a"]);
  deepEqual(usable(), ["b"]);
});
