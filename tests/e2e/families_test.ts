import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import type { Lab } from "../../scripts/lab/lab.ts";
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const BOTH = `${SERVER_ADDRESS},${SERVER_ADDRESS6}`;
const FAR_ADDRESSES4 = FAR_ADDRESSES.filter((address) => !address.includes(":"));
const STATE_TIMEOUT_MS = 20_000;

topic("e2e families of links", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, { args: ["-hosts", BOTH] });
  // Link one has IPv4 only, link two IPv6 only.
  await lab.client.run("ip", "-6", "address", "flush", "dev", "one", "scope", "global");
  await lab.client.run("ip", "-4", "address", "flush", "dev", "two");
  const before = await hostState(lab.client);

  for (const engine of ["native", "portable"]) {
    await scenario(`one session over IPv4 and IPv6 (${engine})`, async () => {
      const from = server.lineCount;
      const client = await startClient(lab, bundle, {
        args: ["-server", BOTH, "-engine", engine],
      });
      await bothUp(client, 0);
      await server.waitForLine(/path 0 from \S*10\.71\.1\.2\S* is up/, STATE_TIMEOUT_MS, from);
      await server.waitForLine(/path 1 from \S*fd71:2::2\S* is up/, STATE_TIMEOUT_MS, from);
      await pingAll(lab.client, FAR_ADDRESSES);
      for (const link of LINKS) {
        await without(lab, link, () => pingAll(lab.client, FAR_ADDRESSES));
        await client.waitForLine(new RegExp(`link ${link}: path is up`), STATE_TIMEOUT_MS, 0);
      }
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    });
  }

  await scenario(
    "a link that changes its family keeps its place in the session",
    async (measure) => {
      const client = await startClient(lab, bundle, { args: ["-server", BOTH] });
      await bothUp(client, 0);
      const { lineCount } = client;
      await address(lab, "one", "fd71:1::2/64", "fd71:1::1");
      await pingAll(lab.client, FAR_ADDRESSES);
      doesNotMatch(linesFrom(client, lineCount), /link one/);
      const changedMs = performance.now();
      await lab.client.run("ip", "-4", "address", "flush", "dev", "one");
      await client.waitForLine(/link one: path is up/, STATE_TIMEOUT_MS, lineCount);
      measure("up again after", performance.now() - changedMs, "ms");
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
      await address(lab, "one", "10.71.1.2/24", "10.71.1.1");
    },
  );

  await scenario("a link whose IPv4 leads nowhere is used by IPv6", async (measure) => {
    await address(lab, "two", "10.71.2.2/24", "10.71.2.1");
    const drop = ["FORWARD", "-i", "two", "-j", "DROP"];
    await lab.router.run("iptables", "-w", "-I", ...drop);
    const client = await startClient(lab, bundle, { args: ["-server", BOTH] });
    const startedMs = performance.now();
    await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS);
    measure("after", performance.now() - startedMs, "ms");
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    await lab.router.run("iptables", "-w", "-D", ...drop);
  });
  equal(await server.stop("SIGINT"), 0);
});

for (const machine of ["client", "server"] as const) {
  topic(`e2e families: a ${machine} without IPv6`, async (scenario) => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    for (const scope of ["all", "default"]) {
      await lab[machine].sysctl(`net.ipv6.conf.${scope}.disable_ipv6`, 1);
    }
    const before = await hostState(lab[machine]);
    for (const engine of ["native", "portable"]) {
      await scenario(`IPv4 works (${engine})`, async () => {
        const server = await startServer(lab, { args: ["-engine", engine] });
        const client = await startClient(lab, bundle, { args: ["-engine", engine] });
        await bothUp(client, 0);
        await pingAll(lab.client, FAR_ADDRESSES4);
        const lines = (machine === "client" ? client : server).output("stderr");
        match(lines, /carries IPv4 only/);
        match(lines, /is up: 10\.8\.0\.2 over|is ready: .* has 10\.8\.0\.1$/m);
        equal(await client.stop("SIGINT"), 0);
        equal(await server.stop("SIGINT"), 0);
        deepEqual(await hostState(lab[machine]), before);
      });
    }
  });
}

async function bothUp(client: Child, from: number): Promise<void> {
  for (const link of LINKS) {
    await client.waitForLine(new RegExp(`link ${link}: path is up`), STATE_TIMEOUT_MS, from);
  }
}

function linesFrom(client: Child, from: number): string {
  return client.output("stderr").split("\n").slice(from).join("\n");
}

/** Gives a link an address and a default route. */
async function address(lab: Lab, link: string, own: string, gateway: string): Promise<void> {
  const nodad = own.includes(":") ? ["nodad"] : [];
  await lab.client.run("ip", "address", "add", own, "dev", link, ...nodad);
  const metric = String(500 + LINKS.indexOf(link as typeof LINKS[number]));
  await lab.client.run(
    ...["ip", "route", "replace", "default", "via", gateway, "dev", link, "metric", metric],
  );
}

/** Does something while a link has no carrier. */
async function without({ router }: Lab, link: string, test: () => Promise<void>): Promise<void> {
  const address6 = `fd71:${LINKS.indexOf(link as typeof LINKS[number]) + 1}::1/64`;
  await router.run("ip", "link", "set", link, "down");
  try {
    await test();
  } finally {
    await router.run("ip", "link", "set", link, "up");
    await router.run("ip", "-6", "address", "replace", address6, "dev", link, "nodad");
  }
}
