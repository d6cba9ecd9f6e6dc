import { deepEqual, equal, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import { startServer } from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { ClearTrafficCounter, cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import {
  createSmallLab,
  FAR_ADDRESSES,
  innerAddresses,
  LINKS,
  pingAll,
  startBoth,
} from "./small_lab.ts";
import { serveTransfers, Transfer } from "./transfer.ts";

const PLAN = { to: INTERNET_ADDRESS, mbit: 16, seconds: 3, flows: 8 };
const STATE_TIMEOUT_MS = 20_000;

type LinkChange = (lab: Lab, link: string) => Promise<unknown>;

interface Fault {
  name: string;
  lose: LinkChange;
  regain: LinkChange;
  /** To be lost one by one; the first one is the way of the control connection as well. */
  links: readonly string[];
}

/** Two ways to lose a link that the kernel tells of, and one that nobody tells of. */
const FAULTS: readonly Fault[] = [
  {
    name: "the interface is set down",
    lose: ({ client }, link) => client.run("ip", "link", "set", link, "down"),
    async regain(lab, link) {
      await lab.client.run("ip", "link", "set", link, "up");
      await addGateways(lab, link);
    },
    links: ["one"],
  },
  {
    name: "its carrier is lost",
    lose: ({ router }, link) => router.run("ip", "link", "set", link, "down"),
    async regain(lab, link) {
      await lab.router.run("ip", "link", "set", link, "up");
      await addRouterAddress(lab, link);
    },
    links: ["one"],
  },
  {
    name: "it carries nothing, and nobody is told",
    lose: ({ router }, link) => cutLink(router, link),
    regain: ({ router }, link) => restoreLink(router, link),
    links: LINKS,
  },
];

topic("e2e faults of a link", async (scenario) => {
  await using lab = await createSmallLab();
  const { client, server } = await startBoth(lab);
  await serveTransfers(lab.internet);

  for (const { name, lose, regain, links } of FAULTS) {
    for (const link of links) {
      await scenario(`a transfer goes on when ${name} (${link})`, async (measure) => {
        const from = client.lineCount;
        const transfer = await Transfer.start(lab.client, PLAN);
        await using loss = await LinkLoss.of(lab, [link], { lose, regain });
        const lostMs = performance.now();
        await client.waitForLine(lostLine(link), STATE_TIMEOUT_MS, from);
        measure("noticed after", performance.now() - lostMs, "ms");
        await seconds(1);
        const back = client.lineCount;
        await loss.end();
        await client.waitForLine(upLine(link), STATE_TIMEOUT_MS, back);
        await transfer.complete(measure);
        equal(countLines(client, from, /asking the server for a new session/), 0);
        await pingAll(lab.client, FAR_ADDRESSES);
      });
    }
  }
  equal(await client.stop("SIGINT"), 0);
  equal(await server.stop("SIGINT"), 0);
});

topic("e2e faults of all links", async (scenario) => {
  await using lab = await createSmallLab();
  const { client, server } = await startBoth(lab);
  await serveTransfers(lab.internet);
  const addresses = await innerAddresses(client);
  const clear = await ClearTrafficCounter.start(lab.router, LINKS);

  for (const { name, lose, regain } of FAULTS) {
    await scenario(`both links: ${name}; nothing leaves beside the tunnel`, async (measure) => {
      const clearBefore = await clear.packets();
      const from = client.lineCount;
      const transfer = await Transfer.start(lab.client, PLAN);
      await using loss = await LinkLoss.of(lab, LINKS, { lose, regain });
      await client.waitForLine(/no path answers: asking/, STATE_TIMEOUT_MS, from);
      await pingInVain(lab);
      const backMs = performance.now();
      await loss.end();
      await pingAll(lab.client, FAR_ADDRESSES);
      measure("ping answered again after", performance.now() - backMs, "ms");
      await transfer.complete(measure);
      await client.waitForLine(/connected again as|paths answer again/, STATE_TIMEOUT_MS, from);
      for (const again of lastAddresses(client, from)) deepEqual(again, addresses);
      const leaked = await clear.packets() - clearBefore;
      measure("beside the tunnel", leaked, "packets");
      equal(leaked, 0);
    });
  }
  equal(await client.stop("SIGINT"), 0);
  equal(await server.stop("SIGINT"), 0);
});

topic("e2e faults of the server", async (scenario) => {
  await using lab = await createSmallLab();
  const { client, server: first } = await startBoth(lab);
  let server = first;
  const addresses = await innerAddresses(client);
  const clear = await ClearTrafficCounter.start(lab.router, LINKS);

  for (
    const [signal, why] of [
      ["SIGKILL", /no path answers: asking/],
      ["SIGTERM", /the server ended the session/],
    ] as const
  ) {
    await scenario(`the client connects again after the server's ${signal}`, async (measure) => {
      const from = client.lineCount;
      const lostMs = performance.now();
      await server.stop(signal);
      await client.waitForLine(why, STATE_TIMEOUT_MS, from);
      measure("noticed after", performance.now() - lostMs, "ms");
      await pingInVain(lab);
      server = await startServer(lab);
      const readyMs = performance.now();
      await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, from);
      measure("connected again after", performance.now() - readyMs, "ms");
      await pingAll(lab.client, FAR_ADDRESSES);
      deepEqual(lastAddresses(client, from).at(-1), addresses);
      equal(await clear.packets(), 0);
    });
  }

  await scenario("the same when all links were down meanwhile", async (measure) => {
    const from = client.lineCount;
    await using loss = await LinkLoss.of(lab, LINKS, FAULTS[0]!);
    await client.waitForLine(/no path answers: asking/, STATE_TIMEOUT_MS, from);
    await server.stop("SIGKILL");
    server = await startServer(lab);
    await loss.end();
    const backMs = performance.now();
    await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, from);
    measure("connected again after", performance.now() - backMs, "ms");
    await pingAll(lab.client, FAR_ADDRESSES);
  });

  await scenario("the same while a link has no carrier", async () => {
    // With no heartbeat on its way, nothing but the carrier tells that the link is gone.
    await seconds(3);
    const from = client.lineCount;
    await using loss = await LinkLoss.of(lab, ["one"], FAULTS[1]!);
    await client.waitForLine(lostLine("one"), STATE_TIMEOUT_MS, from);
    await server.stop("SIGKILL");
    server = await startServer(lab);
    await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, from);
    await pingAll(lab.client, FAR_ADDRESSES);
    await loss.end();
    await client.waitForLine(upLine("one"), STATE_TIMEOUT_MS, from);
  });
  equal(await client.stop("SIGINT"), 0);
  equal(await server.stop("SIGINT"), 0);
});

/** Links that are lost until `end`, or until the scenario has failed. */
class LinkLoss implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #regain: LinkChange;
  #links: readonly string[];

  private constructor(lab: Lab, links: readonly string[], regain: LinkChange) {
    this.#lab = lab;
    this.#links = links;
    this.#regain = regain;
  }

  static async of(
    lab: Lab,
    links: readonly string[],
    { lose, regain }: Pick<Fault, "lose" | "regain">,
  ): Promise<LinkLoss> {
    for (const link of links) await lose(lab, link);
    return new LinkLoss(lab, links, regain);
  }

  async end(): Promise<void> {
    const links = this.#links;
    this.#links = [];
    for (const link of links) await this.#regain(this.#lab, link);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

function lostLine(link: string): RegExp {
  return new RegExp(`link ${link}: path is (suspect|down)|link ${link} (is down|has no|is not)`);
}

function upLine(link: string): RegExp {
  return new RegExp(`link ${link}: path is up`);
}

function countLines(child: Child, from: number, pattern: RegExp): number {
  return child.output("stderr").split("\n").slice(from).filter((line) => pattern.test(line)).length;
}

/** The addresses of the sessions since line `from`. */
function lastAddresses(child: Child, from: number): [string, string][] {
  const lines = child.output("stderr").split("\n").slice(from).join("\n");
  return [...lines.matchAll(/connected again as (\S+) and (\S+)/g)].map(([, v4, v6]) => {
    return [v4!, v6!];
  });
}

/** Traffic that has nowhere to go for a second. */
async function pingInVain({ client }: Lab): Promise<void> {
  const pings = [INTERNET_ADDRESS, INTERNET_ADDRESS6].map((address) =>
    client.run("ping", "-c5", "-i0.2", "-W0.3", address).then(() => true, () => false)
  );
  ok(!(await Promise.all(pings)).includes(true), "a ping was answered while there was no tunnel");
}

/** What a DHCP client does when a link comes up. */
async function addGateways({ client, links }: Lab, link: string): Promise<void> {
  const number = links.findIndex(({ name }) => name === link) + 1;
  await client.run("ip", "-6", "address", "replace", `fd71:${number}::2/64`, "dev", link, "nodad");
  for (const gateway of [`10.71.${number}.1`, `fd71:${number}::1`]) {
    await client.run(
      ...["ip", "route", "add", "default", "via", gateway, "dev", link],
      ...["metric", String(number * 100)],
    );
  }
}

/** An interface that was down has lost its IPv6 addresses. */
async function addRouterAddress({ router, links }: Lab, link: string): Promise<void> {
  const number = links.findIndex(({ name }) => name === link) + 1;
  await router.run("ip", "-6", "address", "replace", `fd71:${number}::1/64`, "dev", link, "nodad");
}

function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
