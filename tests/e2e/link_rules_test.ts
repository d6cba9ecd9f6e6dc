/** `-rate` and `-link` with the real programs: what interfaces carry is read from the kernel. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { ClientStatus } from "../../client/local_socket/client_socket.ts";
import { INTERNET_ADDRESS, type Lab } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, type Ending, ending, LINKS, pingAll, SERVER_INNER } from "./small_lab.ts";

const LINE_TIMEOUT_MS = 15_000;
const PORT = "5201";
const SECONDS = 2;

function ask(lab: Lab, ...words: string[]): Promise<Ending> {
  return ending(lab.client.spawn([...program("client"), ...words], environment(lab, "client")));
}

async function statusOf(lab: Lab) {
  const { exitCode, text } = await ask(lab, "status", "-json");
  equal(exitCode, 0, text);
  const status: ClientStatus = JSON.parse(text);
  ok(status.mode === "bonding" && status.bond.session !== null);
  return { links: status.bond.links, paths: status.bond.session.paths };
}

/** Bytes that the client's interface has received and sent. */
async function carried(lab: Lab, link: string): Promise<{ received: number; sent: number }> {
  const { stdout } = await lab.client.run("ip", "-j", "-s", "link", "show", link);
  const { stats64: { rx, tx } } = JSON.parse(stdout)[0];
  return { received: rx.bytes, sent: tx.bytes };
}

/** Mbit/s on the wire of each link while flows go as fast as they can. */
async function load(lab: Lab, direction: "down" | "up"): Promise<number[]> {
  const way = direction === "down" ? "received" : "sent";
  const client = lab.client.spawn([
    ...["iperf3", "-c", INTERNET_ADDRESS, "-p", PORT, "-t", String(SECONDS + 2), "-P", "4"],
    ...(direction === "down" ? ["--reverse"] : []),
    ...["--forceflush", "-i", "0.5"],
  ]);
  await client.waitForLine(/SUM.*bits\/sec/, LINE_TIMEOUT_MS);
  const read = () => Promise.all(LINKS.map(async (link) => (await carried(lab, link))[way]));
  const [before, from] = [await read(), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const [after, to] = [await read(), performance.now()];
  await client.ended;
  return after.map((bytes, index) => 8 * (bytes - before[index]!) / 1000 / (to - from));
}

async function startLab(...args: string[]) {
  const lab = await createSmallLab();
  const listener = lab.internet.spawn(["iperf3", "-s", "-p", PORT, "--forceflush"]);
  await listener.waitForLine(/listening/, LINE_TIMEOUT_MS);
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab, { args: ["-compression", "off"] });
  const start = () => startClient(lab, bundle, { args: ["-compression", "off", ...args] });
  const client = await start();
  await pingAll(lab.client, [SERVER_INNER, INTERNET_ADDRESS]);
  return { lab, client, start };
}

for (const scheduler of ["flow", "aggregate"]) {
  topic(`e2e link rules: -rate with ${scheduler}`, async (scenario) => {
    const { lab } = await startLab("-scheduler", scheduler, "-rate", "one=20/10mbit,two=20/10mbit");
    await using _lab = lab;
    for (const [direction, mbit] of [["down", 20], ["up", 10]] as const) {
      await scenario(`links carry no more than ${mbit} Mbit/s ${direction}`, async (measure) => {
        const rates = await load(lab, direction);
        for (const rate of rates) {
          measure("carried", rate, "Mbit/s");
          // The kernel counts Ethernet headers as well: 14 of 1492 bytes.
          ok(rate < 1.04 * mbit, `${rates}`);
        }
        ok(Math.max(...rates) > 0.7 * mbit, `${rates}`);
      });
    }
    await scenario("a rate is changed while it runs, and refused for what is no link", async () => {
      equal((await ask(lab, "set", "rate", "one=40/20mbit,two=40/20mbit")).exitCode, 0);
      const rates = await load(lab, "down");
      ok(Math.max(...rates) > 28 && Math.max(...rates) < 1.04 * 40, `${rates}`);
      const { links, paths } = await statusOf(lab);
      deepEqual(links.map(({ rule }) => rule.downRate), [5_000_000, 5_000_000]);
      deepEqual(paths.map(({ rateLimit }) => rateLimit), [2_500_000, 2_500_000]);
      const refused = await ask(lab, "set", "rate", "dsl=5mbit");
      equal(refused.exitCode, 1);
      match(refused.text, /names 'dsl', which is no link; there are: one, two/);
      equal((await ask(lab, "set", "rate", "one=0mbit")).exitCode, 2);
    });
  });
}

topic("e2e link rules: a metered link", async (scenario) => {
  const { lab, client, start } = await startLab("-link", "two=metered,cap=20MB/month");
  await using _lab = lab;
  let running = client;
  const volume = async () => (await statusOf(lab)).links[1]!.rule.volume!;
  const settle = async (isSo: () => Promise<boolean>, what: string) => {
    const deadline = performance.now() + LINE_TIMEOUT_MS;
    while (!await isSo()) {
      ok(performance.now() < deadline, `${what}\n${running.tail(20)}`);
    }
  };

  /** Its default route, which the kernel has dropped, comes back as of a machine that is set up so. */
  const bringBack = async () => {
    await lab.client.run("ip", "link", "set", "one", "up");
    const route = ["default", "via", "10.71.1.1", "dev", "one", "metric", "100"];
    await lab.client.run("ip", "route", "replace", ...route);
  };

  await scenario("it rests while the other one works, and is up all the same", async () => {
    const { paths } = await statusOf(lab);
    deepEqual(paths.map(({ state, idleFor }) => [state, idleFor]), [["up", null], [
      "up",
      "backup",
    ]]);
    const before = await carried(lab, "two");
    await pingAll(lab.client, Array(20).fill(INTERNET_ADDRESS));
    const after = await carried(lab, "two");
    ok(after.sent - before.sent < 2000, `${after.sent - before.sent} bytes`);
  });

  await scenario("it carries when the other one is gone, and that is counted", async () => {
    await lab.client.run("ip", "link", "set", "one", "down");
    await pingAll(lab.client, [INTERNET_ADDRESS]);
    await lab.client.run("iperf3", "-c", INTERNET_ADDRESS, "-p", PORT, "-n", "8M");
    await settle(async () => (await volume()).bytes > 4e6, "the volume is counted");
    await bringBack();
  });

  await scenario("kill -9 forgets nothing of it", async () => {
    const { bytes } = await volume();
    await running.stop("SIGKILL");
    running = await start();
    await pingAll(lab.client, [INTERNET_ADDRESS]);
    const { bytes: after, capBytes } = await volume();
    ok(after >= bytes && after < bytes + 2e6, `${bytes} before, ${after} after`);
    equal(capBytes, 20e6);
  });

  await scenario("at its cap it carries no more, unless it is the last", async () => {
    await lab.client.run("ip", "link", "set", "one", "down");
    await pingAll(lab.client, [INTERNET_ADDRESS]);
    await lab.client.run("iperf3", "-c", INTERNET_ADDRESS, "-p", PORT, "-n", "40M");
    await running.waitForLine(
      /link two has carried \S+ MB of its .* nothing more/,
      LINE_TIMEOUT_MS,
    );
    await pingAll(lab.client, [INTERNET_ADDRESS]);
    await bringBack();
    await settle(async () => {
      const { paths } = await statusOf(lab);
      return paths.length === 2 && paths.some(({ idleFor }) => idleFor === "cap reached");
    }, "the status says so");
  });
});
