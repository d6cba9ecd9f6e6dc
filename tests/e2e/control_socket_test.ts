/** The commands that ask a running client and server, and what becomes of their sockets. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import type { SessionStatus } from "../../lib/status/server_status.ts";
import { type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import {
  createSmallLab,
  type Ending,
  ending,
  pingAll,
  SERVER_INNER,
  startBoth,
} from "./small_lab.ts";

const LINE_TIMEOUT_MS = 15_000;

/** Runs a command of the program on its machine to its end. */
function ask(lab: Lab, name: "client" | "server", ...words: string[]): Promise<Ending> {
  const where = name === "client" ? lab.client : lab.server;
  return ending(where.spawn([...program(name), ...words], environment(lab, name)));
}

async function answer(lab: Lab, name: "client" | "server", ...words: string[]): Promise<string> {
  const { exitCode, text } = await ask(lab, name, ...words);
  equal(exitCode, 0, text);
  return text;
}

const jsonOf = async (...words: Parameters<typeof answer>) =>
  JSON.parse(await answer(...words, "-json"));

topic("e2e commands at the socket", async (scenario) => {
  await using lab = await createSmallLab();
  const before = await hostState(lab.client);
  const run = (name: string) => join(lab.directory, `${name}-run`);

  await scenario("nothing that runs is said plainly, with an exit code of its own", async () => {
    for (const words of [["status"], ["down"], ["logs"], ["ping"], ["set", "scheduler", "flow"]]) {
      const { exitCode, text } = await ask(lab, "client", ...words);
      deepEqual([exitCode, text.trim()], [3, "fluxify-client: no fluxify-client runs here"]);
    }
    const { exitCode, text } = await ask(lab, "server", "sessions");
    deepEqual([exitCode, text.trim()], [3, "fluxify-server: no fluxify-server runs here"]);
  });

  const { client, server, bundle } = await startBoth(lab);
  await pingAll(lab.client, [SERVER_INNER]);

  await scenario("status shows session, links and drops, for people and as JSON", async () => {
    const text = await answer(lab, "client", "status");
    match(
      text,
      /^Fluxify bonding to 203\.0\.113\.10, up 0:\d\d {3}fluxify, version \S+, process \d+\n/,
    );
    match(text, /10\.8\.0\.2 and fd00:8::2/);
    for (const link of ["one", "two"]) match(text, new RegExp(`^ *${link} +up +good`, "m"));
    const { mode, bond, processId, ...facts } = await jsonOf(lab, "client", "status");
    deepEqual([mode, facts.program, facts.instance], ["bonding", "fluxify-client", "fluxify"]);
    ok(processId > 1);
    deepEqual(bond.links.map(({ name }: { name: string }) => name), ["one", "two"]);
    const { reorder, compression } = bond.session;
    for (const count of [...Object.values(reorder), ...Object.values(compression)]) {
      equal(typeof count, "number");
    }
    ok("gainOverBest" in bond);
    match(text, /^gain over the best link \S+ +compression /m);
    match(text, /^reorder: buffered \d+ +reordered /m);
    deepEqual(bond.session.paths.map(({ state }: { state: string }) => state), ["up", "up"]);
  });

  await scenario("a watched status comes again, and ends with the one who watches", async () => {
    const words = [...program("client"), "status", "-watch"];
    const watching = lab.client.spawn(words, environment(lab, "client"));
    for (let times = 0; times < 2; times++) {
      await watching.waitForLine(/^ *two +up /, LINE_TIMEOUT_MS, watching.lineCount);
    }
    await watching.stop("SIGINT");
    equal(client.exitCode, null);
  });

  await scenario("the server tells of itself and of its clients", async () => {
    const text = await answer(lab, "server", "status");
    match(text, /^sessions +1, with 2 of 2 paths up$/m);
    match(text, /^ports +UDP 8000, TCP 8443$/m);
    match(await answer(lab, "server", "sessions"), /^laptop +10\.8\.0\.2 +x1 +aggregate +2 of 2 /m);
    const sessions: SessionStatus[] = await jsonOf(lab, "server", "sessions");
    deepEqual(sessions.map(({ name, isHeard }) => [name, isHeard]), [["laptop", true]]);
    ok(sessions[0]!.receivedBytes > 0);
    equal((await jsonOf(lab, "server", "status")).pathsUp, 2);
  });

  await scenario("ping goes over each link", async () => {
    const text = await answer(lab, "client", "ping", "-count", "3");
    for (const link of ["one", "two"]) {
      match(text, new RegExp(`^${link} +up +\\d+ +\\d+ +0 % +[\\d.]+ ms `, "m"));
    }
    for (const { sent, answered } of await jsonOf(lab, "client", "ping")) {
      ok(sent >= 5 && answered === sent, `${answered} of ${sent}`);
    }
  });

  await scenario("the scheduler is another while it runs, and no ping is lost", async () => {
    const ping = lab.client.spawn(["ping", "-n", "-i", "0.1", "-c", "40", SERVER_INNER]);
    await ping.waitForLine(/icmp_seq=3 /, LINE_TIMEOUT_MS);
    const from = client.lineCount;
    match(await answer(lab, "client", "set", "scheduler", "stripe"), /^scheduler stripe is in use/);
    await client.waitForLine(/scheduler stripe is asked for by user 0, process \d+/, 1000, from);
    await client.waitForLine(/session renewed/, LINE_TIMEOUT_MS, from);
    equal((await jsonOf(lab, "client", "status")).bond.session.scheduler, "stripe");
    const renewed = client.lineCount;
    await answer(lab, "client", "set", "compression", "off");
    await client.waitForLine(/session renewed/, LINE_TIMEOUT_MS, renewed);
    match((await ending(ping)).text, / 0% packet loss/);
  });

  await scenario("a link is taken out while it runs, and comes back", async () => {
    const routes = async () =>
      (await lab.client.run("ip", "-4", "route", "show", SERVER_ADDRESS)).stdout;
    for (const link of ["one", "two"]) match(await routes(), new RegExp(` dev ${link} `));
    match(
      (await ask(lab, "client", "links", "remove", "two")).text,
      /bonding takes two links at least: add another one before/,
    );
    equal(
      await answer(lab, "client", "links", "add", "none"),
      "links: one, two, none\nnone is not there: it is used when it comes",
    );
    equal(await answer(lab, "client", "links", "remove", "two"), "links: one, none");
    await untilStatus(lab, ({ links }) => links === "one up");
    ok(!/ dev two /.test(await routes()), await routes());
    match((await ask(lab, "client", "links", "add", "one")).text, /one is a link already/);
    await pingAll(lab.client, [SERVER_INNER]);
    equal(await answer(lab, "client", "links", "add", "two"), "links: one, none, two");
    equal(await answer(lab, "client", "links", "remove", "none"), "links: one, two");
    await untilStatus(lab, ({ links }) => links === "one up, two up");
    match(await routes(), / dev two /);
    await pingAll(lab.client, [SERVER_INNER]);
  });

  await scenario("the log of before is told, with who has asked for what", async () => {
    const text = await answer(lab, "client", "logs", "-lines", "500");
    match(text, /fluxify-client is up: 10\.8\.0\.2/);
    match(text, /link two is removed by user 0, process \d+/);
    equal((await answer(lab, "client", "logs", "-lines", "2")).trim().split("\n").length, 2);
  });

  await scenario("a client that is kicked connects again, and its tunnel works", async () => {
    const from = client.lineCount;
    match(await answer(lab, "server", "kick", "laptop"), /^the session of laptop has ended/);
    await server.waitForLine(/session of laptop ended: user 0, process \d+ has asked/, 1000);
    await client.waitForLine(/connected again/, LINE_TIMEOUT_MS, from);
    await pingAll(lab.client, [SERVER_INNER]);
    const { exitCode, text } = await ask(lab, "server", "kick", "nobody");
    deepEqual([exitCode, /no client called 'nobody' is connected/.test(text)], [1, true]);
  });

  await scenario("a second client has a socket of its own", async () => {
    const second = await startClient(lab, await newClientCertificate(lab, "phone"), {
      args: ["-name", "home"],
    });
    equal((await jsonOf(lab, "client", "status", "-name", "home")).instance, "home");
    ok((await lab.client.run("ip", "link", "show", "home")).stdout.includes("home"));
    const { exitCode, text } = await ask(lab, "client", "status", "-name", "office");
    equal(exitCode, 3);
    match(text, /no fluxify-client called 'office' runs here; running: fluxify, home \(name one/);
    match(
      await answer(lab, "client", "down", "-name", "home"),
      /^stopped, and everything is undone/,
    );
    equal((await second.ended).code, 0);
    await pingAll(lab.client, [SERVER_INNER]);
  });

  await scenario("down returns when everything is undone", async () => {
    equal((await Deno.stat(join(run("client"), "client.sock"))).mode! & 0o777, 0o600);
    match(await answer(lab, "client", "down"), /^stopped, and everything is undone/);
    deepEqual(await hostState(lab.client), before);
    equal((await client.ended).code, 0);
    deepEqual([...Deno.readDirSync(run("client"))], []);
  });

  await scenario("what kill -9 leaves is no obstacle to the next one", async () => {
    const killed = await startClient(lab, bundle);
    await killed.stop("SIGKILL");
    ok((await Deno.lstat(join(run("client"), "client.sock"))).isSocket);
    equal((await ask(lab, "client", "status")).exitCode, 3);
    const next = await startClient(lab, bundle);
    ok(!/Cannot listen/.test(next.output("stderr")));
    equal((await jsonOf(lab, "client", "status")).mode, "bonding");
    equal(await next.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("where no socket can be, that is said once, and all else works", async () => {
    const client = await startClient(lab, bundle, { env: { FLUXIFY_RUN_DIR: "/proc/none" } });
    const said = client.output("stderr").split("\n")
      .filter((line) => line.includes("Cannot listen on /proc/none/client.sock"));
    equal(said.length, 1);
    match(said[0]!, /warning .*; all else works, but nobody can ask this program while it runs/);
    await pingAll(lab.client, [SERVER_INNER]);
    equal(await client.stop("SIGINT"), 0);
  });

  await scenario("a server that is killed and started again is asked as before", async () => {
    await server.stop("SIGKILL");
    const next = await startServer(lab);
    match(await answer(lab, "server", "status"), /^sessions +0, /m);
    equal(await answer(lab, "server", "sessions"), "no client is connected");
    equal(await next.stop("SIGTERM"), 0);
    deepEqual([...Deno.readDirSync(run("server"))], []);
  });
});

/** Asks until the links with their states are as they should be. */
async function untilStatus(
  lab: Lab,
  isDone: (status: { links: string }) => boolean,
): Promise<void> {
  let links = "";
  for (let tries = 0; tries < 30; tries++) {
    const { bond } = await jsonOf(lab, "client", "status");
    links = bond.session?.paths.map(({ name, state }: { name: string; state: string }) =>
      `${name} ${state}`
    ).sort().join(", ") ?? "no session";
    if (isDone({ links })) {
      return;
    }
  }
  throw new Error(`the links did not become as they should: ${links}`);
}
