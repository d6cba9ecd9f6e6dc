import { join } from "node:path";
import { deepEqual, equal, match } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6 } from "../../scripts/lab/lab.ts";
import {
  newClientCertificate,
  pkiDirectory,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 20_000;

topic("e2e addresses of the client", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  let server = await startServer(lab);

  await scenario("two source addresses of one interface are two links", async () => {
    await lab.client.run("ip", "address", "add", "10.71.1.3/24", "dev", "one");
    const before = await hostState(lab.client);
    const client = await startClient(lab, bundle, {
      links: ["one", "one"],
      args: ["-ips", "10.71.1.2,10.71.1.3"],
    });
    for (const address of ["10\\.71\\.1\\.2", "10\\.71\\.1\\.3"]) {
      await client.waitForLine(
        new RegExp(`link one \\(${address}\\): path is up`),
        STATE_TIMEOUT_MS,
      );
    }
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
    await lab.client.run("ip", "address", "del", "10.71.1.3/24", "dev", "one");
  });

  await scenario("traffic stays in the tunnel when the server gives other addresses", async () => {
    const before = await hostState(lab.client);
    const client = await startClient(lab, bundle);
    const from = client.lineCount;
    await server.stop("SIGTERM");
    await giveOtherAddresses(join(pkiDirectory(lab), "leases.json"));
    server = await startServer(lab);
    await client.waitForLine(
      /connected again as 10\.8\.0\.77 and /,
      STATE_TIMEOUT_MS,
      from,
    );
    for (const to of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) {
      match((await lab.client.run("ip", "route", "get", to)).stdout, / dev fluxify /);
    }
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });
  equal(await server.stop("SIGINT"), 0);
});

/** As after the server's leases were lost, and others came first. */
async function giveOtherAddresses(leases: string): Promise<void> {
  const text = await Deno.readTextFile(leases);
  match(text, /"ipv4":"10\.8\.0\.2"/);
  await Deno.writeTextFile(leases, text.replace("10.8.0.2", "10.8.0.77"));
}
