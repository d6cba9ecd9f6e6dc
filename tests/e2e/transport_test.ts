/** The data plane inside TLS: where it is asked for, where UDP is blocked, and through a proxy. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Lab } from "../../scripts/lab/lab.ts";
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  pkiDirectory,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll, SERVER_INNER } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 20_000;
/** Each takes a program's start, more than half a second: a path is given up after 1.4 s. */
const LOOKS_AFTER_TLS = 4;
/** One and a half seconds each, or more. */
const REFUSED_ATTEMPTS = 4;
const IPERF_SECONDS = 3;
/** Of the router, as the server's network knows it: every link leads there. */
const PROXY_ADDRESS = "203.0.113.1";
const PROXY_PORT = 3128;
const PROXY_PROGRAM = new URL("proxy_program.ts", import.meta.url).pathname;

topic("e2e transport: inside TLS", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, {
    args: ["-hosts", `${SERVER_ADDRESS},${SERVER_ADDRESS6}`],
  });
  const before = await hostState(lab.client);

  for (const [engine, address] of [["native", SERVER_ADDRESS], ["portable", SERVER_ADDRESS6]]) {
    await scenario(`-transport tls carries everything (${engine}, ${address})`, async (measure) => {
      await block(lab, "meta l4proto udp");
      const from = server.lineCount;
      const client = await startClient(lab, bundle, {
        args: ["-transport", "tls", "-engine", engine!, "-server", address!],
      });
      for (const link of LINKS) await up(client, `${link} \\(TLS\\)`, 0);
      await server.waitForLine(/laptop: path 0 from .* is up/, STATE_TIMEOUT_MS, from);
      await pingAll(lab.client, FAR_ADDRESSES);
      measure("up", await iperf(lab), "Mbit/s");
      measure("down", await iperf(lab, "-R"), "Mbit/s");
      match(await status(lab), /one, two inside TLS: as asked for/);
      await unblock(lab);
      equal(await client.stop("SIGINT"), 0);
      await server.waitForLine(/session of laptop ended: it left/, STATE_TIMEOUT_MS, from);
      deepEqual(await hostState(lab.client), before);
    });
  }

  await scenario("a connection that is reset takes its path down, and comes back", async () => {
    const client = await startClient(lab, bundle, { args: ["-transport", "tls"] });
    for (const link of LINKS) await up(client, `${link} \\(TLS\\)`, 0);
    const from = client.lineCount;
    await block(lab, 'iifname "one" tcp dport 8443', "reject with tcp reset");
    await client.waitForLine(/link one \(TLS\): path is down/, STATE_TIMEOUT_MS, from);
    await pingAll(lab.client, FAR_ADDRESSES);
    const { lineCount } = client;
    await unblock(lab);
    await up(client, "one \\(TLS\\)", lineCount);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario(
    "a link whose carrier comes and goes loses its connection, and has it again",
    async () => {
      const client = await startClient(lab, bundle, { args: ["-transport", "tls"] });
      for (const link of LINKS) await up(client, `${link} \\(TLS\\)`, 0);
      for (let turn = 0; turn < 3; turn++) {
        const from = client.lineCount;
        await lab.router.run("ip", "link", "set", "one", "down");
        await client.waitForLine(/link one has no carrier/, STATE_TIMEOUT_MS, from);
        await pingAll(lab.client, FAR_ADDRESSES);
        await lab.router.run("ip", "link", "set", "one", "up");
        await lab.router.run("ip", "address", "replace", "fd71:1::1/64", "dev", "one", "nodad");
        await up(client, "one \\(TLS\\)", from);
        await pingAll(lab.client, FAR_ADDRESSES);
      }
      ok(!/lost all paths|connected again/.test(client.tail(500)), client.tail(30));
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    },
  );
  equal(await server.stop("SIGINT"), 0);
});

topic("e2e transport: UDP that is blocked", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const before = await hostState(lab.client);

  await scenario("from the start: all links go inside TLS, and leave it", async (measure) => {
    await block(lab, "udp dport 8000");
    const startedMs = performance.now();
    const client = await startClient(lab, bundle, { args: ["-kill-switch"] });
    measure("up after", performance.now() - startedMs, "ms");
    await pingAll(lab.client, FAR_ADDRESSES);
    const from = client.lineCount;
    await unblock(lab);
    for (const link of LINKS) {
      await client.waitForLine(
        new RegExp(`link ${link}: UDP is answered again`),
        STATE_TIMEOUT_MS,
        from,
      );
    }
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a link that is cut is down, and nothing is said of TLS", async () => {
    const client = await startClient(lab, bundle);
    for (const link of LINKS) await up(client, link, 0);
    const from = client.lineCount;
    await cutLink(lab.router, "two");
    await client.waitForLine(/link two: path is down/, STATE_TIMEOUT_MS, from);
    const states = new Set<string>();
    // TLS is tried, and so is what becomes of a path that was never answered.
    for (let looks = 0; looks < LOOKS_AFTER_TLS;) {
      const { bond } = JSON.parse(await status(lab, "-json"));
      const link = bond.links.find(({ name }: { name: string }) => name === "two");
      const path = bond.session.paths.find(({ name }: { name: string }) => name === "two");
      states.add(path.state);
      if (link.transport === "tls") looks++;
    }
    deepEqual([...states], ["down"]);
    await restoreLink(lab.router, "two");
    await up(client, "two", from);
    await pingAll(lab.client, FAR_ADDRESSES);
    match(await status(lab), /2 of 2 links up {3}on average/);
    equal(await client.stop("SIGINT"), 0);
    const lines = client.output("stderr").split("\n");
    deepEqual(lines.filter((line) => /TLS to|\(TLS\)/.test(line)), []);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a session that the server refuses says nothing of UDP", async () => {
    const client = await startClient(lab, bundle, { args: ["-v"] });
    for (const link of LINKS) await up(client, link, 0);
    const from = client.lineCount;
    await clientSettings(lab, "set", "laptop", "-expires", "2020-01-01");
    // Each attempt is later than the one before: together longer than UDP may be silent.
    for (let attempts = 0; attempts < REFUSED_ATTEMPTS; attempts++) {
      const { lineCount } = client;
      await client.waitForLine(/cannot connect yet, trying again/, STATE_TIMEOUT_MS, lineCount);
    }
    await clientSettings(lab, "unset", "laptop", "expires");
    await client.waitForLine(/connected again/, STATE_TIMEOUT_MS, from);
    await pingAll(lab.client, FAR_ADDRESSES);
    for (const link of LINKS) await up(client, link, from);
    equal(await client.stop("SIGINT"), 0);
    equal(/TLS to|\(TLS\)|trying TLS/.test(client.output("stderr")), false);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("while it runs: on one link, then on both, then on none", async (measure) => {
    const client = await startClient(lab, bundle);
    for (const link of LINKS) await up(client, link, 0);
    await block(lab, 'iifname "one" udp dport 8000');
    const blockedMs = performance.now();
    await up(client, "one \\(TLS\\)", 0);
    measure("one inside TLS after", performance.now() - blockedMs, "ms");
    await pingAll(lab.client, FAR_ADDRESSES);
    await block(lab, 'iifname "two" udp dport 8000');
    await up(client, "two \\(TLS\\)", 0);
    await pingAll(lab.client, FAR_ADDRESSES);
    match(await status(lab), /one, two inside TLS: UDP gets no answer/);
    const from = client.lineCount;
    const unblockedMs = performance.now();
    await unblock(lab);
    for (const link of LINKS) {
      await client.waitForLine(new RegExp(`link ${link}: UDP is answered again`), 30_000, from);
    }
    measure("both by UDP after", performance.now() - unblockedMs, "ms");
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });
  equal(await server.stop("SIGINT"), 0);
});

topic("e2e transport: through a proxy", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const before = await hostState(lab.client);
  // Nothing but the proxy leads to the server.
  await block(lab, `iifname { "one", "two" } ip daddr ${SERVER_ADDRESS}`);

  await scenario("everything, and it may be killed and come back", async (measure) => {
    const proxy = await startProxy(lab);
    const client = await startClient(lab, bundle, {
      args: ["-proxy", `http://${PROXY_ADDRESS}:${PROXY_PORT}`, "-kill-switch"],
    });
    for (const link of LINKS) await up(client, `${link} \\(TLS\\)`, 0);
    await pingAll(lab.client, FAR_ADDRESSES);
    measure("up", await iperf(lab), "Mbit/s");
    const from = client.lineCount;
    proxy.signal("SIGKILL");
    await proxy.ended;
    for (const link of LINKS) {
      const down = new RegExp(`link ${link} \\(TLS\\): path is down`);
      await client.waitForLine(down, STATE_TIMEOUT_MS, from);
    }
    await client.waitForLine(/Cannot reach the proxy|cannot reach the proxy/, 20_000, from);
    const again = await startProxy(lab);
    const { lineCount } = client;
    await client.waitForLine(/connected again|the paths answer again/, 30_000, lineCount);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    again.signal("SIGKILL");
    await again.ended;
    deepEqual(await hostState(lab.client), before);
  });
  equal(await server.stop("SIGINT"), 0);
});

async function startProxy(lab: Lab): Promise<Child> {
  const command = [Deno.execPath(), "run", "-A", "--no-check", PROXY_PROGRAM];
  const proxy = lab.router.spawn([...command, PROXY_ADDRESS, String(PROXY_PORT)]);
  await proxy.waitForLine(/the proxy is ready/, STATE_TIMEOUT_MS);
  return proxy;
}

async function up(client: Child, path: string, from: number): Promise<void> {
  await client.waitForLine(new RegExp(`link ${path}: path is up`), STATE_TIMEOUT_MS, from);
}

/** The router drops what `match` tells of; several times adds. */
async function block(lab: Lab, match: string, verdict = "drop"): Promise<void> {
  const chain = "{ type filter hook forward priority -10 ; }";
  await lab.router.run("nft", "add", "table", "inet", "trial");
  await lab.router.run("nft", "add", "chain", "inet", "trial", "forward", chain);
  await lab.router.run("nft", `add rule inet trial forward ${match} ${verdict}`);
}

async function unblock(lab: Lab): Promise<void> {
  await lab.router.run("nft", "delete", "table", "inet", "trial");
}

async function status(lab: Lab, ...options: string[]): Promise<string> {
  const own = environment(lab, "client");
  return (await lab.client.runWith(own, ...program("client"), "status", ...options)).stdout;
}

/** Runs `fluxify-server client ...` to its end. */
async function clientSettings(lab: Lab, ...args: string[]): Promise<void> {
  const command = [...program("server"), "client", ...args, "-pki", pkiDirectory(lab)];
  await lab.server.runWith(environment(lab, "server"), ...command);
}

/** What one connection through the tunnel carries, in Mbit/s. */
async function iperf(lab: Lab, ...options: string[]): Promise<number> {
  const server = lab.server.spawn(["iperf3", "-s", "-1", "--forceflush"]);
  await server.waitForLine(/listening on/, STATE_TIMEOUT_MS);
  const { stdout } = await lab.client.runWith(
    { timeoutMs: 30_000 },
    ...["iperf3", "-c", SERVER_INNER, "-t", String(IPERF_SECONDS), "-J", ...options],
  );
  await server.ended;
  return Math.round(JSON.parse(stdout).end.sum_received.bits_per_second / 1e6);
}
