import { deepEqual, equal, match } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll, restore } from "./small_lab.ts";
import { until } from "../../testing/until.ts";

/** On the internet's side of the router, which knows its way back to the client's links. */
const ROUTER = ["198.51.100.1", "2001:db8:51::1"] as const;
const LINK_ADDRESSES = [
  ["10.71.1.2", "fd71:1::2"],
  ["10.71.2.2", "fd71:2::2"],
] as const;
const STATE_TIMEOUT_MS = 10_000;

topic("e2e policy routing", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const before = await hostState(lab.client);

  await scenario("unasked there are no rules and no tables", async () => {
    const rules = await rulesOf(lab.client);
    const client = await startClient(lab, bundle);
    deepEqual(await rulesOf(lab.client), rules);
    equal(await answers(lab, LINK_ADDRESSES[1][0], ROUTER[0]), false);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario(
    "what has a link's address leaves by that link, the rest by the tunnel",
    async () => {
      const client = await startClient(lab, bundle, { args: ["-policy-routing"] });
      for (const [index, addresses] of LINK_ADDRESSES.entries()) {
        for (const [family, address] of addresses.entries()) {
          equal(
            await answers(lab, address, ROUTER[family]!),
            true,
            `link ${index + 1}: ${address}`,
          );
          // From outside to the link's address: the answer finds its way too.
          await lab.router.run(
            ...["ping", "-c1", "-i0.2", "-w5", "-I", ROUTER[family]!, address],
          );
        }
      }
      await pingAll(lab.client, FAR_ADDRESSES);
      for (const to of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) {
        match((await lab.client.run("ip", "route", "get", to)).stdout, / dev fluxify /);
      }
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    },
  );

  await scenario("the tables follow a new lease", async () => {
    const client = await startClient(lab, bundle, { args: ["-policy-routing"] });
    await lab.router.run("ip", "address", "add", "10.71.99.1/24", "dev", "two");
    const from = client.lineCount;
    await lease(lab.client, "10.71.99.2/24", "10.71.99.1");
    await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS, from);
    await until("it answers", () => answers(lab, "10.71.99.2", ROUTER[0]));
    await until("the rules go", async () => !(await rulesOf(lab.client)).includes("10.71.2.2"));
    await lease(lab.client, "10.71.2.2/24", "10.71.2.1");
    await until("it answers again", () => answers(lab, "10.71.2.2", ROUTER[0]));
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("after kill -9 restore removes rules and tables", async () => {
    const client = await startClient(lab, bundle, { args: ["-policy-routing"] });
    await client.stop("SIGKILL");
    equal(await answers(lab, LINK_ADDRESSES[1][0], ROUTER[0]), true);
    match((await restore(lab)).stdout, /undid \d+ changes left by/);
    deepEqual(await hostState(lab.client), before);
  });
  equal(await server.stop("SIGINT"), 0);
});

async function rulesOf(machine: Namespace): Promise<string> {
  const [v4, v6] = await Promise.all([
    machine.run("ip", "-4", "rule"),
    machine.run("ip", "-6", "rule"),
  ]);
  return v4.stdout + v6.stdout;
}

/** Whether a ping from an address of the client is answered. */
function answers({ client }: Lab, from: string, to: string): Promise<boolean> {
  return client.run("ping", "-c2", "-i0.2", "-W1", "-I", from, to).then(() => true, () => false);
}

/** What a DHCP client does on link two. */
async function lease(machine: Namespace, address: string, gateway: string): Promise<void> {
  await machine.run("ip", "-4", "address", "flush", "dev", "two");
  await machine.run("ip", "address", "add", address, "dev", "two");
  await machine.run(
    ...["ip", "route", "add", "default", "via", gateway, "dev", "two", "metric", "200"],
  );
}
