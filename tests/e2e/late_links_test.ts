/**
 * The start of a bond where not all is there yet, as after a reboot with a slow modem: links that
 * come later, links that are not there at all, no server, no name service.
 */
import { doesNotMatch, equal, match } from "node:assert/strict";
import { type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  spawnClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { type Child, connect } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { OwnEtc } from "./own_etc.ts";
import { cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
const UP = /fluxify-client is up/;
const NAME = "vpn.fluxify.example";

topic("e2e links that come late", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  let server = await startServer(lab, { args: ["-hosts", `${NAME},${SERVER_ADDRESS}`] });

  /** What a user without -ifaces starts. */
  const startAutomatic = (...args: string[]) =>
    lab.client.spawn(
      [...program("client"), "-b", "-server", SERVER_ADDRESS, "-cert", bundle, ...args],
      environment(lab, "client"),
    );
  /** The second link alone carries everything. */
  const overLinkTwo = async (client: Child, from: number) => {
    await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS, from);
    await cutLink(lab.router, "one");
    await pingAll(lab.client, FAR_ADDRESSES);
    await restoreLink(lab.router, "one");
  };

  for (const engine of ["native", "portable"]) {
    await scenario(`a named link that is not there is waited for (${engine})`, async (measure) => {
      const args = ["-engine", engine, "-kill-switch"];
      await lab.client.run("ip", "link", "del", "two");
      const client = spawnClient(lab, bundle, { args });
      const known = /link two is not there: it is used when it comes; this machine has: one$/m;
      await client.waitForLine(known, STATE_TIMEOUT_MS);
      await client.waitForLine(/is up: .* over one \(two is not there\)/, STATE_TIMEOUT_MS);
      equal(client.output("stderr").match(/link two is not there/g)?.length, 1, "said once");
      await pingAll(lab.client, FAR_ADDRESSES);
      const from = client.lineCount;
      const cameMs = performance.now();
      await plugIn(lab, "two");
      await overLinkTwo(client, from);
      measure("used after", performance.now() - cameMs, "ms");
      equal(await client.stop("SIGINT"), 0);
    });
  }

  await scenario("a link that is renamed to a name that is waited for is taken", async () => {
    await rename(lab, "two", "eth7");
    const client = spawnClient(lab, bundle);
    await client.waitForLine(/is up: .* over one \(two is not there\)/, STATE_TIMEOUT_MS);
    const from = client.lineCount;
    await rename(lab, "eth7", "two");
    await configureTwo(lab, "two");
    await overLinkTwo(client, from);
    const gone = client.lineCount;
    await rename(lab, "two", "eth7");
    await client.waitForLine(/link two is not there/, STATE_TIMEOUT_MS, gone);
    await pingAll(lab.client, FAR_ADDRESSES);
    await rename(lab, "eth7", "two");
    await configureTwo(lab, "two");
    await overLinkTwo(client, gone);
    equal(await client.stop("SIGINT"), 0);
  });

  await scenario(
    "without names a link joins when it leads out, also under another name",
    async () => {
      await lab.client.run("ip", "link", "set", "two", "down");
      const client = startAutomatic("-kill-switch");
      await client.waitForLine(/is up: .* over one to /, STATE_TIMEOUT_MS);
      const from = client.lineCount;
      await lab.client.run("ip", "link", "set", "two", "up");
      await configureTwo(lab, "two");
      await client.waitForLine(/link two can be used now/, STATE_TIMEOUT_MS, from);
      await overLinkTwo(client, from);
      const renamed = client.lineCount;
      await rename(lab, "two", "modem");
      await configureTwo(lab, "modem");
      await client.waitForLine(/link modem: path is up/, STATE_TIMEOUT_MS, renamed);
      match(client.output("stderr"), /link two is not there/);
      await cutLink(lab.router, "one");
      await pingAll(lab.client, FAR_ADDRESSES);
      await restoreLink(lab.router, "one");
      equal(await client.stop("SIGINT"), 0);
      await rename(lab, "modem", "two");
      await configureTwo(lab, "two");
    },
  );

  await scenario("without names the tunnel of another VPN is no link", async () => {
    const file = new URL("tunnel_program.ts", import.meta.url).pathname;
    const vpn = lab.client.spawn([Deno.execPath(), "run", "-A", file, "vpn9"]);
    await vpn.waitForLine(/^open$/, STATE_TIMEOUT_MS);
    await lab.client.run("ip", "address", "add", "10.99.0.2/24", "dev", "vpn9");
    await lab.client.run("ip", "link", "set", "vpn9", "up");
    const client = startAutomatic();
    await client.waitForLine(UP, STATE_TIMEOUT_MS);
    await pingAll(lab.client, FAR_ADDRESSES);
    doesNotMatch(client.output("stderr"), /vpn9/);
    equal(await client.stop("SIGINT"), 0);
    await vpn.stop("SIGKILL");
  });

  await scenario("without any link the start waits for one, and can be stopped", async () => {
    for (const link of ["one", "two"]) await lab.client.run("ip", "link", "set", link, "down");
    const before = await hostState(lab.client);
    const stopped = spawnClient(lab, bundle);
    const why = /cannot connect yet, trying again: .*over any link: one is down, two is down/;
    await stopped.waitForLine(why, STATE_TIMEOUT_MS);
    equal(await stopped.stop("SIGINT"), 0);
    equal(await hostState(lab.client), before);

    const client = spawnClient(lab, bundle);
    await client.waitForLine(why, STATE_TIMEOUT_MS);
    await lab.client.run("ip", "link", "set", "two", "up");
    await configureTwo(lab, "two");
    await client.waitForLine(/is up: .* over two \(one is down\)/, STATE_TIMEOUT_MS);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    await lab.client.run("ip", "link", "set", "one", "up");
    await lab.client.run("ip", "route", "add", "default", "via", "10.71.1.1", "dev", "one");
  });

  await scenario(
    "a server that is not there yet is asked again; once, with -once",
    async (measure) => {
      equal(await server.stop("SIGINT"), 0);
      const once = await ending(spawnClient(lab, bundle, { args: ["-once"] }));
      equal(once.exitCode, 1);
      match(once.text, /nothing listens there; check that the server runs/);
      const client = spawnClient(lab, bundle);
      await client.waitForLine(/trying again: .*nothing listens there/, STATE_TIMEOUT_MS);
      server = await startServer(lab, { args: ["-hosts", `${NAME},${SERVER_ADDRESS}`] });
      const readyMs = performance.now();
      await client.waitForLine(UP, STATE_TIMEOUT_MS);
      measure("up after the server", performance.now() - readyMs, "ms");
      equal(await client.stop("SIGINT"), 0);
    },
  );

  await scenario("a name that is not known yet is looked up again", async () => {
    const etc = await OwnEtc.create(lab, "file", "nameserver 198.51.100.77\noptions timeout:1\n");
    const hosts = await Deno.readTextFile(etc.path("hosts"));
    const client = etc.spawnClient("-b", "-ifaces", "one,two", "-cert", bundle, "-server", NAME);
    await client.waitForLine(/trying again: .*Cannot find the server/, STATE_TIMEOUT_MS);
    await Deno.writeTextFile(etc.path("hosts"), `${hosts}\n${SERVER_ADDRESS} ${NAME}\n`);
    await client.waitForLine(UP, STATE_TIMEOUT_MS);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
  });
  equal(await server.stop("SIGINT"), 0);
});

/** The cable of link two is plugged in, and the interface gets its addresses and routes. */
async function plugIn(lab: Lab, name: string): Promise<void> {
  await connect(lab.client, lab.router, {
    a: { name, addresses: ["10.71.2.2/24", "fd71:2::2/64"] },
    b: { name: "two", addresses: ["10.71.2.1/24", "fd71:2::1/64"] },
  });
  await configureTwo(lab, name);
}

async function rename({ client }: Lab, from: string, to: string): Promise<void> {
  await client.run("ip", "link", "set", from, "down");
  await client.run("ip", "link", "set", from, "name", to);
  await client.run("ip", "link", "set", to, "up");
}

/** What a DHCP client and router advertisements give link two. */
async function configureTwo({ client }: Lab, name: string): Promise<void> {
  await client.run("ip", "address", "replace", "10.71.2.2/24", "dev", name);
  await client.run("ip", "-6", "address", "replace", "fd71:2::2/64", "dev", name, "nodad");
  for (const gateway of ["10.71.2.1", "fd71:2::1"]) {
    await client.run(
      ...["ip", "route", "replace", "default", "via", gateway, "dev", name, "metric", "200"],
    );
  }
}
