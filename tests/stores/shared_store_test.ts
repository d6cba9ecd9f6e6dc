/** Servers that share a store, with real ones; the long scenarios are in tests/e2e. */
import { deepEqual, doesNotMatch, equal, ok } from "node:assert/strict";
import { needsNatsServer } from "../daemons/packages.ts";
import { Addresses } from "./addresses.ts";
import { StoreLab } from "./store_lab.ts";

const LINE_TIMEOUT_MS = 15_000;

Deno.test({
  name: "netns: servers that share a store give no address twice, and take no revoked client",
  ...await needsNatsServer(),
  async fn() {
    await using lab = await StoreLab.create();
    await lab.startStores();
    await lab.startServers();
    const addresses = new Addresses();
    const bundles = await lab.newBundles("c", 60);
    addresses.add(await lab.join([...bundles, lab.laptop]));

    // Known clients need no store: those of another server are let in while it is away.
    await lab.cutFromStore(1);
    await lab.until("server 1 has noticed", async () => {
      return (await lab.status(1)).store.problem !== null;
    });
    addresses.add(await lab.join(bundles, { servers: [1] }));
    const [stranger] = await lab.newBundles("stranger", 1);
    const [refused] = await lab.join([stranger!], { servers: [1], seconds: 1 });
    equal(refused!.address, null);
    ok(refused!.refusals.includes("unavailable"), refused!.refusals.join());

    // What was revoked meanwhile is known as soon as the store is back.
    addresses.add(await lab.join([lab.laptop], { servers: [1] }));
    await lab.revoke(2, "laptop");
    await lab.reconnectToStore(1);
    await lab.servers[0]!.child!.waitForLine(
      /session of laptop ended: its certificate was revoked/,
      LINE_TIMEOUT_MS,
    );
    const [revoked] = await lab.join([lab.laptop], { seconds: 1 });
    equal(revoked!.address, null);
    deepEqual(new Set(revoked!.refusals), new Set(["revoked"]));

    await lab.untilReached(1);
    await lab.killStore(2);
    await lab.until("the store has a leader", async () => {
      const all = await Promise.all([1, 2, 3].map((number) => lab.status(number)));
      return all.every(({ store }) => store.isReachable);
    });
    addresses.add(await lab.join([...bundles, ...await lab.newBundles("d", 20)]));
    doesNotMatch(lab.logs, /a-word-that-no-log-may-have/);
  },
});
