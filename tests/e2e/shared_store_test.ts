/** Three servers that share a store of three machines, and what may befall them. */
import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { needsNatsServer } from "../daemons/packages.ts";
import { Addresses } from "../stores/addresses.ts";
import type { Joined } from "../stores/joining_program.ts";
import { serverAddress, StoreLab } from "../stores/store_lab.ts";
import { topic } from "./scenario.ts";

const STATE_TIMEOUT_MS = 30_000;
const CLIENTS = 500;
const INNER = "10.8.0.1";

const slowest = (joined: readonly Joined[]) => Math.round(Math.max(...joined.map(({ ms }) => ms)));

topic("e2e servers that share a store", async (scenario) => {
  await using lab = await StoreLab.create();
  await lab.startStores();
  await lab.startServers();
  const addresses = new Addresses();
  const bundles = await lab.newBundles("c", CLIENTS);
  let last: Joined[] = [];

  await scenario(`${CLIENTS} clients join at once`, async (measure) => {
    const fromMs = performance.now();
    last = await lab.join(bundles);
    measure("all were in after", Math.round(performance.now() - fromMs), "ms");
    measure("slowest client", slowest(last), "ms");
    equal(last.length, CLIENTS);
    addresses.add(last);
  });

  await scenario("a server is killed: its clients are on others", async (measure) => {
    await lab.killServer(3);
    const lost = last.filter(({ server }) => server === serverAddress(3));
    notEqual(lost.length, 0);
    const back = await lab.join(lost.map(({ bundle }) => bundle));
    measure("clients", back.length);
    measure("slowest client", slowest(back), "ms");
    addresses.add(back);
    await lab.startServer(3);
    await lab.untilReached(3);
  });

  await scenario("a machine of the store is killed while clients join", async (measure) => {
    const known = bundles.slice(0, 100);
    const strangers = await lab.newBundles("d", 50);
    const joining = lab.join([...known, ...strangers]);
    await lab.killStore(1);
    const joined = await joining;
    const wasKnown = joined.filter(({ bundle }) => known.includes(bundle));
    measure("slowest known client", slowest(wasKnown), "ms");
    measure("slowest new client", slowest(joined), "ms");
    addresses.add(joined);
    await lab.startStore(1);
  });

  await scenario("the store is cut into two and one", async () => {
    await lab.cutOff(lab.store(2));
    addresses.add(
      await lab.join([...bundles.slice(100, 160), ...await lab.newBundles("e", 20)], {
        seconds: 40,
      }),
    );
    await lab.reconnect(lab.store(2));
    for (const number of [1, 2, 3]) await lab.untilReached(number);
  });

  await scenario("a server without the store takes clients it knows, and no others", async () => {
    await lab.cutFromStore(2);
    await lab.until("server 2 has noticed", async () => !(await lab.status(2)).store.isReachable);
    addresses.add(await lab.join(bundles.slice(160, 220), { servers: [2] }));
    const [stranger] = await lab.join(await lab.newBundles("f", 1), { servers: [2], seconds: 1 });
    equal(stranger!.address, null);
    // What others do meanwhile is known when it is back.
    addresses.add(await lab.join(await lab.newBundles("g", 20), { servers: [1, 3] }));
    await lab.reconnectToStore(2);
    await lab.untilReached(2);
    addresses.add(await lab.join([...bundles.slice(0, 40), ...await lab.newBundles("h", 20)]));
  });

  await scenario("a server that stops is forgotten by the others", async () => {
    await lab.stopServer(1);
    await lab.until("it is no more among them", async () => {
      return (await lab.status(2)).store.servers.length === 3;
    });
    await lab.startServer(1);
    await lab.untilReached(1);
  });

  await scenario("a drain moves a client without a lost packet worth the name", async (measure) => {
    const client = await lab.startClient(lab.laptop);
    const before = await client.status();
    equal(before.server, serverAddress(1));
    const ping = client.namespace.spawn(["ping", "-n", "-i", "0.05", INNER]);
    await ping.waitForLine(/icmp_seq=10 /, STATE_TIMEOUT_MS);
    const from = client.child.lineCount;
    const fromMs = performance.now();
    await lab.ask(1, "drain", "--limit", "20s");
    measure("until no client was left", Math.round(performance.now() - fromMs), "ms");
    await client.child.waitForLine(
      new RegExp(`in use: server ${serverAddress(2)}`),
      STATE_TIMEOUT_MS,
      from,
    );
    const after = await client.status();
    deepEqual(after.addresses, before.addresses);
    await ping.stop("SIGINT");
    const [, sent, received] =
      /(\d+) packets transmitted, (\d+) received/.exec(ping.output("stdout")) ?? [];
    measure("pings lost", Number(sent) - Number(received), "packets");
    const isDraining = async () => (await lab.status(1)).isDraining;
    equal(await isDraining(), true);
    await lab.ask(1, "drain", "--stop");
    equal(await isDraining(), false);

    // It is let in no longer by what is set on a server where it is not, and again.
    const settings = (...words: string[]) => {
      const pki = join(lab.servers[2]!.directory, "pki");
      return lab.ask(3, "client", ...words, "-pki", pki);
    };
    const ended = client.child.lineCount;
    await settings("set", "laptop", "-expires", "2020-01-31");
    const setMs = performance.now();
    await client.child.waitForLine(/access of laptop has ended/, STATE_TIMEOUT_MS, ended);
    measure(
      "from client set to the end on another server",
      Math.round(performance.now() - setMs),
      "ms",
    );
    await settings("unset", "laptop");
    await client.child.waitForLine(/connected again/, STATE_TIMEOUT_MS, ended);
    const { server } = await client.status();
    const used = lab.servers.find((_, index) => serverAddress(index + 1) === server)!;

    // Its certificate is revoked on a server where it is not.
    const revokedMs = performance.now();
    await lab.revoke(3, "laptop");
    await used.child!.waitForLine(
      /session of laptop ended: its certificate was revoked/,
      STATE_TIMEOUT_MS,
    );
    measure("from cert revoke to the end", Math.round(performance.now() - revokedMs), "ms");
    const [revoked] = await lab.join([lab.laptop], { seconds: 2 });
    equal(revoked!.address, null);
    ok(revoked!.refusals.every((code) => code === "revoked"), revoked!.refusals.join());
    await client.child.stop("SIGINT");
  });
}, await needsNatsServer());
