import { equal, match, notEqual, ok } from "node:assert/strict";
import type { Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { connect } from "../netns/namespace.ts";
import { cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 10_000;
/** The kernel tells of lost carriers once a second at most (net/core/link_watch.c). */
const KERNEL_REST_MS = 1500;
/** One may be unlucky on a busy machine: the median counts. */
const ROUNDS = 3;
const LINK = "one";
const isUp = new RegExp(`link ${LINK}: path is up`);
const isLost = new RegExp(`link ${LINK} (is (?!back)|has )`);

/** A network of link one: the client is .2, the router .1 and .9. */
const network = (number: number) => ({
  address: `10.71.${number}.2/24`,
  gateways: [`10.71.${number}.1`, `10.71.${number}.9`] as const,
});
const HOME = network(1);
const LEASES = [network(101), network(102), network(103)] as const;

interface Change {
  name: string;
  /**
   * Brings about what the kernel tells of, in round 0, 1 or 2. Returns when its last command was
   * started, in milliseconds.
   */
  happens(lab: Lab, round: number): Promise<number>;
  /** What the client must do: see the link go, or its path work again. */
  followed: RegExp;
  /** Back to where the next round can begin. */
  undo?(lab: Lab): Promise<unknown>;
}

const CHANGES: readonly Change[] = [
  {
    name: "the link is set down",
    happens: ({ client }) => timed(client.run("ip", "link", "set", LINK, "down")),
    followed: isLost,
    undo: linkUp,
  },
  {
    name: "the link is set up, and nobody gives it routes",
    async happens({ client }) {
      await client.run("ip", "link", "set", LINK, "down");
      await pause(500);
      return await timed(client.run("ip", "link", "set", LINK, "up"));
    },
    followed: isUp,
    undo: linkUp,
  },
  {
    name: "the carrier is lost",
    happens: loseCarrier,
    followed: isLost,
    undo: carrierBack,
  },
  {
    name: "the carrier is back",
    async happens(lab) {
      await lab.router.run("ip", "link", "set", LINK, "down");
      await pause(KERNEL_REST_MS);
      return await timed(carrierBack(lab));
    },
    followed: isUp,
  },
  { name: "the interface is made anew", happens: makeAnew, followed: isUp },
  {
    name: "a new lease in another network",
    happens: (lab, round) => moveTo(lab, LEASES[round]!),
    followed: isUp,
    undo: (lab) => moveTo(lab, HOME),
  },
  {
    name: "a new gateway",
    happens: (lab, round) => defaultVia(lab, HOME.gateways[(round + 1) % 2]!),
    followed: isUp,
  },
];

topic("e2e links that change", async (scenario) => {
  await using lab = await createSmallLab();
  await giveRouterAddresses(lab);
  // A link that is made anew begins with a strict reverse path filter.
  await lab.client.sysctl("net.ipv4.conf.default.rp_filter", 1);
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const client = await startClient(lab, bundle);
  await client.waitForLine(isUp, STATE_TIMEOUT_MS);

  for (const { name, happens, followed, undo } of CHANGES) {
    await scenario(`followed as the kernel tells it: ${name}`, async (measure) => {
      const tookMs: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        await pause(300);
        const told = client.waitForLine(followed, STATE_TIMEOUT_MS, client.lineCount)
          .then(() => performance.now());
        told.catch(() => {}); // awaited below, unless the change itself fails
        const happenedMs = await happens(lab, round);
        // A change of several commands may be followed before its last one.
        tookMs.push(Math.max(0, await told - happenedMs));
        if (undo === undefined) continue;
        const back = client.waitForLine(isUp, STATE_TIMEOUT_MS, client.lineCount);
        back.catch(() => {});
        await undo(lab);
        if (followed === isLost) await back;
      }
      tookMs.sort((a, b) => a - b);
      measure("median", tookMs[1]!, "ms");
      measure("longest", tookMs[2]!, "ms");
      await overThisLinkAlone(lab, () => pingAll(lab.client, FAR_ADDRESSES));
    });
  }

  await scenario("a further address leaves the path alone", async () => {
    const from = client.lineCount;
    for (const address of ["10.71.1.77/24", "fd71:1::77/64"]) {
      await lab.client.run("ip", "address", "add", address, "dev", LINK);
    }
    await pause(500);
    const lines = client.output("stderr").split("\n").slice(from);
    equal(lines.filter((line) => line.includes(`link ${LINK}`)).join("\n"), "");
    await pingAll(lab.client, FAR_ADDRESSES);
  });

  await scenario("routes into the tunnel that somebody removes are put back", async () => {
    const from = client.lineCount;
    await lab.client.run("ip", "route", "flush", "dev", "fluxify", "proto", "77");
    await client.waitForLine(/removed the routes into the tunnel/, STATE_TIMEOUT_MS, from);
    const { stdout } = await lab.client.run("ip", "route", "show", "dev", "fluxify");
    match(stdout, /^0\.0\.0\.0\/1 [^]*^128\.0\.0\.0\/1 /m);
    await pingAll(lab.client, FAR_ADDRESSES);
  });

  await scenario("a monitor that is killed is started again", async (measure) => {
    const first = await monitorOf(client.pid);
    ok(first !== null, "there is no ip monitor");
    Deno.kill(first, "SIGKILL");
    for (let waited = 0; [null, first].includes(await monitorOf(client.pid)); waited++) {
      ok(waited < 100, "it is not started again");
      await pause(50);
    }
    notEqual(await monitorOf(client.pid), first);
    await pause(200);
    const from = client.lineCount;
    const downMs = await timed(lab.client.run("ip", "link", "set", LINK, "down"));
    await client.waitForLine(isLost, STATE_TIMEOUT_MS, from);
    measure("a link set down is noticed after", performance.now() - downMs, "ms");
    await linkUp(lab);
    await client.waitForLine(isUp, STATE_TIMEOUT_MS, from);
  });

  await scenario("a stop puts the filter of the interface made anew back", async () => {
    const filter = () => lab.client.run("sysctl", "-n", `net.ipv4.conf.${LINK}.rp_filter`);
    equal((await filter()).stdout.trim(), "2");
    equal(await client.stop("SIGINT"), 0);
    equal((await filter()).stdout.trim(), "1");
    equal(await server.stop("SIGINT"), 0);
  });
});

/** The gateways of the leases are there all the time, as those of a provider's networks are. */
async function giveRouterAddresses({ router }: Lab): Promise<void> {
  for (const { gateways } of [HOME, ...LEASES]) {
    for (const gateway of gateways) {
      await router.run("ip", "address", "replace", `${gateway}/24`, "dev", LINK);
    }
  }
}

async function defaultVia({ client }: Lab, gateway: string): Promise<number> {
  return await timed(
    client.run("ip", "route", "replace", "default", "via", gateway, "dev", LINK, "metric", "100"),
  );
}

async function linkUp(lab: Lab): Promise<number> {
  await lab.client.run("ip", "link", "set", LINK, "up");
  await lab.client.run("ip", "-6", "address", "replace", "fd71:1::2/64", "dev", LINK, "nodad");
  return await defaultVia(lab, HOME.gateways[0]);
}

/** The kernel is free to tell of it as much as a second later, and that is when it counts. */
async function loseCarrier({ client, router }: Lab): Promise<number> {
  const monitor = client.spawn(["ip", "monitor", "link"]);
  const told = monitor.waitForLine(new RegExp(`${LINK}@\\S+ <NO-CARRIER`), STATE_TIMEOUT_MS)
    .then(() => performance.now());
  told.catch(() => {}); // awaited below, unless the command fails
  await pause(100);
  await router.run("ip", "link", "set", LINK, "down");
  const toldMs = await told;
  await monitor.stop();
  return toldMs;
}

async function carrierBack({ router }: Lab): Promise<void> {
  await router.run("ip", "link", "set", LINK, "up");
  await router.run("ip", "-6", "address", "replace", "fd71:1::1/64", "dev", LINK, "nodad");
}

async function makeAnew(lab: Lab): Promise<number> {
  await lab.client.run("ip", "link", "del", LINK);
  await pause(500);
  await connect(lab.client, lab.router, {
    a: { name: LINK, addresses: [HOME.address, "fd71:1::2/64"] },
    b: { name: LINK, addresses: ["fd71:1::1/64"] },
  });
  await giveRouterAddresses(lab);
  return await defaultVia(lab, HOME.gateways[0]);
}

/** What a DHCP client does: the old address goes, the new one comes, then its gateway. */
async function moveTo(lab: Lab, to: ReturnType<typeof network>): Promise<number> {
  await lab.client.run("ip", "-4", "address", "flush", "dev", LINK);
  await lab.client.run("ip", "address", "add", to.address, "dev", LINK);
  return await defaultVia(lab, to.gateways[0]);
}

async function overThisLinkAlone({ router }: Lab, test: () => Promise<void>): Promise<void> {
  await cutLink(router, "two");
  try {
    await test();
  } finally {
    await restoreLink(router, "two");
  }
}

/** The process id of the `ip monitor` that a program has started. */
async function monitorOf(parent: number): Promise<number | null> {
  for await (const { name: pid } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
    if (!status.includes(`\nPPid:\t${parent}\n`)) continue;
    const command = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
    if (/^\S*ip\0monitor/.test(command)) return Number(pid);
  }
  return null;
}

async function timed(command: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await command;
  return startedMs;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
