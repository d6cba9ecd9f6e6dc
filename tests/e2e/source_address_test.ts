/**
 * A link with two addresses whose provider takes only the second one, as its default route says
 * (`src`): the packets of the tunnel have to leave from that one.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { type Lab, SERVER_ADDRESS, SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 20_000;
const BOTH = `${SERVER_ADDRESS},${SERVER_ADDRESS6}`;
const TABLES = { 4: "iptables", 6: "ip6tables" } as const;
/** Of link two. */
const SECOND = { 4: "10.71.2.5", 6: "fd71:2::5" } as const;
const THIRD = { 4: "10.71.2.6", 6: "fd71:2::6" } as const;
const GATEWAY = { 4: "10.71.2.1", 6: "fd71:2::1" } as const;

topic("e2e source addresses that routes prescribe", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, { args: ["-hosts", BOTH] });
  for (const address of [SECOND[4], THIRD[4]]) {
    await lab.client.run("ip", "address", "add", `${address}/24`, "dev", "two");
  }
  for (const address of [SECOND[6], THIRD[6]]) {
    await lab.client.run("ip", "address", "add", `${address}/64`, "dev", "two", "nodad");
  }

  for (const family of [4, 6] as const) {
    await prescribe(lab, family, SECOND[family]);
    await takeOnly(lab, family, "-I", SECOND[family]);
    const before = await hostState(lab.client);
    for (const engine of ["native", "portable"]) {
      await scenario(
        `IPv${family}: a path works from the address of its route (${engine})`,
        async () => {
          const address = family === 4 ? SERVER_ADDRESS : SERVER_ADDRESS6;
          const args = ["-server", address, "-engine", engine];
          const client = await startClient(lab, bundle, { args });
          await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS);
          await cutLink(lab.router, "one");
          await pingAll(lab.client, FAR_ADDRESSES);
          await restoreLink(lab.router, "one");

          // The provider gives another one, and the route says so.
          await takeOnly(lab, family, "-D", SECOND[family]);
          await takeOnly(lab, family, "-I", THIRD[family]);
          const from = client.lineCount;
          await prescribe(lab, family, THIRD[family]);
          await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS, from);
          await takeOnly(lab, family, "-D", THIRD[family]);
          await takeOnly(lab, family, "-I", SECOND[family]);
          await prescribe(lab, family, SECOND[family]);
          equal(await client.stop("SIGINT"), 0);
          deepEqual(await hostState(lab.client), before);
        },
      );
    }
    await takeOnly(lab, family, "-D", SECOND[family]);
  }

  await scenario("a link over which nobody ever answers is told of", async () => {
    await takeOnly(lab, 4, "-I", "10.71.2.99");
    const client = await startClient(lab, bundle);
    await client.waitForLine(/link two: .* has never answered over it;.*-ips/, STATE_TIMEOUT_MS);
    match(client.output("stderr"), /is up: .* over one \(no answer over two yet\)/);
    equal(await client.stop("SIGINT"), 0);
    await takeOnly(lab, 4, "-D", "10.71.2.99");
  });
  equal(await server.stop("SIGINT"), 0);
});

async function prescribe({ client }: Lab, family: 4 | 6, source: string): Promise<void> {
  await client.run(
    ...["ip", `-${family}`, "route", "replace", "default", "via", GATEWAY[family], "dev", "two"],
    ...["src", source, "metric", "200"],
  );
}

/** The provider of link two forwards only what comes from `source`. */
async function takeOnly(
  { router }: Lab,
  family: 4 | 6,
  verb: "-I" | "-D",
  source: string,
): Promise<void> {
  await router.run(
    ...[TABLES[family], "-w", verb, "FORWARD", "-i", "two", "!", "-s", source, "-j", "DROP"],
  );
}
