/**
 * Links that lose large packets without a word. Sizes: a packet of the tunnel is 78 bytes longer on
 * a link with IPv4, and a search ends within 8 bytes of what fits.
 *
 *   internet --- router --- server === wide ===== client      narrow carries 1400 bytes
 *                                  === narrow ===
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import {
  addSite,
  createSmallLab,
  FAR_ADDRESSES,
  innerAddresses,
  ping,
  pingAll,
  SERVER_INNER,
  startBoth,
} from "./small_lab.ts";
import { serveTransfers, Transfer } from "./transfer.ts";

/** Of records with their place in the order of a flow. */
const OVERHEAD_BYTES = 86;
const STEP_BYTES = 8;
const NARROW_BYTES = 1400;
/** One after the other; the last one leaves the 1280 bytes that IPv6 needs. */
const NARROWER_BYTES = [1390, 1378, 1366];
const ORDINARY_MTU = 1400;
const STATE_TIMEOUT_MS = 20_000;
const ICMP_HEADER_BYTES = 8;
const IP_HEADER_BYTES = { 4: 20, 6: 40 } as const;

topic("e2e mtu: a black hole", async (scenario) => {
  const narrow = { mtuBytes: NARROW_BYTES };
  await using lab = await Lab.create({
    links: [
      { name: "wide", rateMbit: 50, rttMs: 10 },
      { name: "narrow", rateMbit: 50, rttMs: 10, up: narrow, down: narrow },
    ],
  });
  for (const machine of [lab.internet, lab.server]) await serveTransfers(machine);
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab);
  await addWaysToClients(lab);
  const client = await startClient(lab, bundle);

  await scenario("it is found and told of once, and the tunnel's MTU follows", async (measure) => {
    const [line] = await client.waitForLine(/.*link narrow carries.*/, STATE_TIMEOUT_MS);
    const [up] = await client.waitForLine(/.*link narrow: path is up/, STATE_TIMEOUT_MS);
    measure("found after", timeOf(line) - timeOf(up), "ms");
    await mtuIs(lab.client, NARROW_BYTES);
    match(line, / at most \d+ bytes/);
    equal(warnings(client.output("stderr")).length, 1);
  });
  const [own4, own6] = await innerAddresses(client);

  await scenario("large transfers both ways by IPv4 and IPv6", async (measure) => {
    await Promise.all(FAR_ADDRESSES.map(async (to) => {
      const transfer = await Transfer.start(lab.client, { to, mbit: 4, seconds: 1, flows: 4 });
      await transfer.complete(() => {});
    }));
    measure("addresses", FAR_ADDRESSES.length);
    await ping(lab.client, SERVER_INNER, "-s", "8000");
  });

  for (const [address, family] of [[own4, 4], [own6, 6]] as const) {
    await scenario(`who sends the client too much is told (IPv${family})`, async () => {
      await isTold(lab.internet, address, family);
      await isTold(lab.server, address, family);
    });
  }

  await scenario("so is another client", async () => {
    await using cleanup = new AsyncDisposableStack();
    const site = await addSite(lab, cleanup, "tablet");
    const other = await startClient(site, await newClientCertificate(lab, "tablet"));
    equal(await tunMtu(site.client), ORDINARY_MTU);
    await isTold(site.client, own4, 4);
    await isTold(site.client, own6, 6);
    equal(await other.stop("SIGINT"), 0);
  });

  await scenario("what may be fragmented arrives", async () => {
    for (const size of [String(fullSize(4)), "8000"]) {
      await ping(lab.internet, own4, "-M", "dont", "-s", size);
    }
  });

  await scenario(
    "while the narrow link is cut there is no limit, on the server either",
    async () => {
      await lab.cut("narrow");
      await tunMtuIs(lab.client, ORDINARY_MTU);
      // What the server's kernel was told as a sender, it keeps to as an IPv6 router for 10 minutes.
      await lab.server.run("ip", "-6", "route", "flush", "cache");
      for (const [address, family] of [[own4, 4], [own6, 6]] as const) {
        await ping(lab.router, address, "-M", "do", "-s", String(fullSize(family)));
      }
      await lab.restore("narrow");
      await mtuIs(lab.client, NARROW_BYTES);
      await isTold(lab.router, own4, 4);
      equal(warnings(client.output("stderr")).length, 2, "told again");
    },
  );

  await scenario("links that shrink under traffic are found, too", async (measure) => {
    for (const bytes of NARROWER_BYTES) {
      const plan = { to: INTERNET_ADDRESS, mbit: 4, seconds: 5, flows: 4 };
      const transfer = await Transfer.start(lab.client, plan);
      const from = client.lineCount;
      const shrunkMs = performance.now();
      for (const { name } of lab.links) {
        await lab.emulator!.change(name, { mtuBytes: bytes });
      }
      await client.waitForLine(/link \S+ carries packets of at most/, STATE_TIMEOUT_MS, from);
      measure("found after", performance.now() - shrunkMs, "ms");
      await mtuIs(lab.client, bytes);
      await transfer.complete(measure);
    }
    const again = { to: INTERNET_ADDRESS6, mbit: 4, seconds: 1, flows: 4 };
    await (await Transfer.start(lab.client, again)).complete(() => {});
  });
  equal(await client.stop("SIGINT"), 0);
});

topic("e2e mtu: ordinary links", async (scenario) => {
  await using lab = await createSmallLab();
  const { client, bundle } = await startBoth(lab);

  await scenario("the tunnel's MTU is 1400", async () => {
    equal(await tunMtu(lab.client), ORDINARY_MTU);
    deepEqual(warnings(client.output("stderr")), []);
    equal(await client.stop("SIGINT"), 0);
  });

  for (const args of [["-probe-pmtud", "off"], []]) {
    await scenario(
      `an interface's MTU is followed up and down (${args.length > 0 ? "no probes" : "probes"})`,
      async () => {
        const client = await startClient(lab, bundle, { args });
        await pingAll(lab.client, FAR_ADDRESSES);
        for (const [linkMtu, mtu] of [[1420, 1334], [1500, 1400], [1400, 1314], [1500, 1400]]) {
          for (const machine of [lab.router, lab.client]) {
            await machine.run("ip", "link", "set", "two", "mtu", String(linkMtu));
          }
          await tunMtuIs(lab.client, mtu!);
        }
        await pingAll(lab.client, FAR_ADDRESSES);
        await tunMtuIs(lab.client, ORDINARY_MTU);
        // What was found just before an interface changed may be told after it.
        if (args.length > 0) equal(warnings(client.output("stderr")).length, 2);
        equal(await client.stop("SIGINT"), 0);
      },
    );
  }

  await scenario("of a link too narrow for IPv6 one line tells what becomes of it", async () => {
    for (const machine of [lab.router, lab.client]) {
      await machine.run("ip", "link", "set", "two", "mtu", "1290");
    }
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, FAR_ADDRESSES);
    await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS);
    equal(await tunMtu(lab.client), ORDINARY_MTU);
    equal(await client.stop("SIGINT"), 0);
    const lines = warnings(client.output("stderr"));
    equal(lines.length, 1, lines.join("\n"));
    match(lines[0]!, /link two carries .* IPv6 needs 1280: it is used only while no other/);
    for (const machine of [lab.router, lab.client]) {
      await machine.run("ip", "link", "set", "two", "mtu", "1500");
    }
  });

  for (const args of [["-mtu", "1300"], ["-mtu", "1300", "-probe-pmtud", "off"]]) {
    await scenario(`${args.join(" ")} is kept to`, async () => {
      const client = await startClient(lab, bundle, { args });
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await tunMtu(lab.client), 1300);
      deepEqual(warnings(client.output("stderr")), []);
      equal(await client.stop("SIGINT"), 0);
    });
  }
});

/** The internet knows the clients' addresses and is let in, as where a company routes them. */
async function addWaysToClients({ internet, router, server }: Lab): Promise<void> {
  await server.run("nft", "flush", "chain", "inet", "fluxify_guard_fluxify-srv", "forward");
  const ways = [
    [internet, "198.51.100.1", "2001:db8:51::1"],
    [router, "203.0.113.10", "2001:db8:113::10"],
  ] as const;
  for (const [machine, by4, by6] of ways) {
    await machine.run("ip", "route", "add", "10.8.0.0/24", "via", by4);
    await machine.run("ip", "route", "add", "fd00:8::/64", "via", by6);
  }
}

async function tunMtu(client: Namespace): Promise<number> {
  const { stdout } = await client.run("ip", "link", "show", "fluxify");
  return Number(/ mtu (\d+)/.exec(stdout)?.[1]);
}

/** Waits until the tunnel's MTU is what fits a link of so many bytes. */
async function mtuIs(client: Namespace, linkBytes: number): Promise<void> {
  const most = linkBytes - OVERHEAD_BYTES;
  const endMs = performance.now() + STATE_TIMEOUT_MS;
  for (;;) {
    const mtu = await tunMtu(client);
    if (mtu <= most && mtu > most - STEP_BYTES) return;
    ok(performance.now() < endMs, `the tunnel's MTU is ${mtu}, of a link of ${linkBytes} bytes`);
  }
}

/** Where an interface changes twice before it is looked at, its size is asked for again after 15 s. */
async function tunMtuIs(client: Namespace, expected: number): Promise<void> {
  const endMs = performance.now() + 2 * STATE_TIMEOUT_MS;
  for (let mtu = await tunMtu(client); mtu !== expected; mtu = await tunMtu(client)) {
    ok(performance.now() < endMs, `the tunnel's MTU is ${mtu}, not ${expected}`);
  }
}

/** What a ping carries in the largest packet of an ordinary tunnel. */
function fullSize(family: 4 | 6): number {
  return ORDINARY_MTU - IP_HEADER_BYTES[family] - ICMP_HEADER_BYTES;
}

/**
 * Sends the largest packet of an ordinary tunnel that may not be fragmented, until it is refused. A
 * sender that was told before does not send it again: its own kernel refuses it.
 */
async function isTold(from: Namespace, address: string, family: 4 | 6): Promise<void> {
  const pattern = family === 4
    ? /From \S+ icmp_seq=\d+ Frag needed and DF set \(mtu = (\d+)\)/
    : /From \S+ icmp_seq=\d+ Packet too big: mtu=(\d+)/;
  const most = NARROW_BYTES - OVERHEAD_BYTES;
  const endMs = performance.now() + STATE_TIMEOUT_MS;
  for (;;) {
    const { stdout } = await from.run(
      ...["sh", "-c", `ping -M do -c1 -w5 -s ${fullSize(family)} ${address}; true`],
    );
    const said = pattern.exec(stdout)?.[1];
    if (said !== undefined) return ok(+said <= most && +said > most - STEP_BYTES, stdout);
    // A busy machine may hold the narrow link up until it counts as down: then there is no limit.
    match(stdout, / 1 received/, "neither told nor delivered");
    ok(performance.now() < endMs, stdout);
  }
}

function warnings(log: string): string[] {
  return log.split("\n").filter((line) => /\bwarning\b.*\b(MTU|bytes)\b/.test(line));
}

/** When a line of the log was written, in milliseconds. */
function timeOf(line: string): number {
  return Date.parse(line.split(" ")[0]!);
}
