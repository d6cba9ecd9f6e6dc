import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import type { Lab } from "../../scripts/lab/lab.ts";
import {
  newClientCertificate,
  spawnServer,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { hostState, masqueradeRules } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, FAR_ADDRESSES, ping, pingAll, restore } from "./small_lab.ts";

/** On the internet's side of the router, which knows its way back to the client's links. */
const ROUTER_ADDRESS = "198.51.100.1";
const ROUTER_ADDRESS6 = "2001:db8:51::1";

topic("e2e host state of the client", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  await using server = { child: await startServer(lab), [Symbol.asyncDispose]: stopServer };
  async function stopServer() {
    await server.child.stop();
  }
  const before = await hostState(lab.client);

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await scenario(`after ${signal} the client's machine is as it was`, async () => {
      const client = await startClient(lab, bundle);
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop(signal), 0);
      deepEqual(await hostState(lab.client), before);
      await assertNoJournal(lab, "client");
    });
  }

  await scenario("after kill -9 the client's machine has its routes", async () => {
    const client = await startClient(lab, bundle);
    await client.stop("SIGKILL");
    for (const address of [ROUTER_ADDRESS, ROUTER_ADDRESS6]) await ping(lab.client, address);
  });

  await scenario("fluxify-client restore removes the rest", async () => {
    match((await restore(lab)).stdout, /undid \d+ changes? left by/);
    deepEqual(await hostState(lab.client), before);
    match((await restore(lab)).stdout, /nothing to restore/);
  });

  await scenario("the next start removes the rest as well", async () => {
    await (await startClient(lab, bundle)).stop("SIGKILL");
    const client = await startClient(lab, bundle);
    await client.waitForLine(/undid \d+ changes? left by/, 1000);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
    await assertNoJournal(lab, "client");
  });
});

topic("e2e default routes of a link that was down", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);

  await scenario("a link that was set down and up has its default routes again", async () => {
    // Without it the kernel drops IPv6 addresses, too, and a route needs one.
    await lab.client.sysctl("net.ipv6.conf.one.keep_addr_on_down", 1);
    const routes = async () =>
      (await Promise.all(
        [4, 6].map((family) => lab.client.run("ip", `-${family}`, "route", "show", "default")),
      )).map(({ stdout }) => stdout);
    const own = await routes();
    for (const waits of ["for the route", "for nothing"]) {
      const client = await startClient(lab, bundle);
      await lab.client.run("ip", "link", "set", "one", "down");
      await client.waitForLine(/link one cannot be used: is down|one is down/, 10_000);
      await lab.client.run("ip", "link", "set", "one", "up");
      if (waits === "for the route") await client.waitForLine(/put back the default route/, 10_000);
      else await client.waitForLine(/link one can be used now/, 10_000);
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await routes(), own, waits);
    }
  });
  equal(await server.stop("SIGINT"), 0);
});

topic("e2e host state of the server", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const before = await hostState(lab.server);

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await scenario(`after ${signal} the server's machine is as it was`, async () => {
      const server = await startServer(lab);
      equal(await server.stop(signal), 0);
      deepEqual(await hostState(lab.server), before);
      await assertNoJournal(lab, "server");
    });
  }

  await scenario(
    "after kill -9 and a restart NAT is there once, and gone after the stop",
    async () => {
      await (await startServer(lab)).stop("SIGKILL");
      const rules = await masqueradeRules(lab.server);
      const server = await startServer(lab);
      equal(rules, 2);
      equal(await masqueradeRules(lab.server), 2);
      await server.waitForLine(/undid \d+ changes? left by/, 1000);
      equal(await server.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.server), before);
    },
  );

  await scenario("a firewall rule that cannot be added undoes the start", async () => {
    const folder = await fakeIptables(lab);
    const path = `${folder}:${Deno.env.get("PATH")}`;
    const { exitCode, text } = await ending(spawnServer(lab, { env: { PATH: path } }));
    equal(exitCode, 1);
    match(text, /no room for this rule/);
    deepEqual(await hostState(lab.server), before);
    await assertNoJournal(lab, "server");
  });

  await scenario("rules that were there before the server stay after its stop", async () => {
    const first = await startServer(lab);
    const rules = await saveRules(lab.server);
    equal(await first.stop("SIGINT"), 0);
    await loadRules(lab.server, rules);
    const withRules = await hostState(lab.server);
    const server = await startServer(lab);
    equal(await masqueradeRules(lab.server), 2);
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.server), withRules);
  });
});

async function assertNoJournal(lab: Lab, name: "server" | "client"): Promise<void> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(join(lab.directory, `${name}-state`))) {
    if (entry.name.endsWith(".journal")) names.push(entry.name);
  }
  deepEqual(names, []);
}

/** An `iptables` that refuses the server's last rule, when most of the start has been done. */
async function fakeIptables(lab: Lab): Promise<string> {
  const folder = join(lab.directory, "bin");
  const { stdout } = await lab.server.run("sh", "-c", "command -v ip6tables");
  await Deno.mkdir(folder);
  const script = `#!/bin/sh
case "$*" in
  *"FORWARD"*"-i fluxify-srv"*ACCEPT) echo "no room for this rule" >&2; exit 4 ;;
esac
exec ${stdout.trim().replace("ip6tables", "iptables")} "$@"
`;
  for (const name of ["iptables", "iptables-nft", "iptables-legacy"]) {
    await Deno.writeTextFile(join(folder, name), script, { mode: 0o755 });
  }
  return folder;
}

async function saveRules(machine: Namespace): Promise<[v4: string, v6: string]> {
  const [v4, v6] = await Promise.all([machine.run("iptables-save"), machine.run("ip6tables-save")]);
  return [v4.stdout, v6.stdout];
}

async function loadRules(machine: Namespace, [v4, v6]: [string, string]): Promise<void> {
  await machine.runWith({ input: v4 }, "iptables-restore");
  await machine.runWith({ input: v6 }, "ip6tables-restore");
}
