/**
 * A client with a good certificate whose datagrams claim to come from somebody else: the router writes
 * the victim's address into them, as a client could itself that sends by a raw socket.
 *
 *   client == one, two == router (10.71.N.2 -> VICTIM) == server --- NAT --- internet (VICTIM)
 */
import { equal, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Child, Namespace } from "../netns/namespace.ts";
import { makeOldTree, routeBySource, startV1Client } from "../v1_peer/peer_process.ts";
import { type Measure, topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const VICTIM = "198.51.100.66";
const BURST = [
  ...[Deno.execPath(), "run", "-A", "--no-lock"],
  new URL("burst_program.ts", import.meta.url).pathname,
];
const PORT = "9009";
const STATE_TIMEOUT_MS = 30_000;
/** What the service sends, inside. */
const BURST_BYTES = 1_200_000;
const AMPLIFICATION_MAX = 3;

for (const engine of ["native", "portable"] as const) {
  topic(`e2e spoofed addresses (${engine})`, async (scenario) => {
    await using lab = await createSmallLab();
    await routeBySource(lab);
    const tree = await makeOldTree(lab);
    await tree.issueClient("new", "EC P-256");
    await tree.issueClient("old", "EC P-256");
    await lab.internet.run("ip", "address", "add", `${VICTIM}/32`, "dev", "wan");
    const service = lab.internet.spawn([...BURST, "serve", INTERNET_ADDRESS, PORT]);
    await service.waitForLine(/ready/, STATE_TIMEOUT_MS);
    const server = await startServer(lab, { args: ["-accept-v1", "-engine", engine] });

    await scenario(
      "x1: both paths claim the victim's address in the middle of a download",
      async (measure) => {
        const client = await startClient(lab, `${tree.directory}/clients/new.pem`, {
          args: ["-engine", engine],
        });
        await pingAll(lab.client, FAR_ADDRESSES);
        const download = await ask(lab.client);
        const victim = await Victim.watch(lab);
        const received = await bytesOf(download);
        await victim.assertBounded(measure);
        measure("the client received", received, "bytes");
        // Its paths keep the addresses that have answered.
        ok(received > 0.8 * BURST_BYTES, `${received} bytes`);
        equal(await client.stop("SIGINT"), 0);
        await victim.forget();
      },
    );

    await scenario(
      "v1: both links claim the victim's address, then much is asked for",
      async (measure) => {
        const client = await startV1Client(lab, "old", "--tun", "v1tun");
        const { ipv4 } = client.ready;
        await lab.client.run("ip", "address", "add", `${ipv4}/24`, "dev", "v1tun");
        await lab.client.run("ip", "link", "set", "v1tun", "up", "mtu", "1400");
        await lab.client.run("ip", "route", "add", INTERNET_ADDRESS, "dev", "v1tun");
        await pingAll(lab.client, [INTERNET_ADDRESS]);
        const victim = await Victim.watch(lab);
        measure("the client received", await bytesOf(await ask(lab.client)), "bytes");
        await victim.assertBounded(measure);
        await client.stop();
        await victim.forget();
      },
    );
    await service.stop("SIGKILL");
    equal(await server.stop("SIGINT"), 0);
  });
}

/** Asks the service through the tunnel, which answers for some seconds. */
async function ask(client: Namespace): Promise<Child> {
  const child = client.spawn([...BURST, "ask", INTERNET_ADDRESS, PORT]);
  await child.waitForLine(/ready/, STATE_TIMEOUT_MS);
  return child;
}

async function bytesOf(download: Child): Promise<number> {
  return Number((await download.waitForLine(/received (\d+)/, STATE_TIMEOUT_MS))[1]);
}

/** The third host: what was sent in its name, and to it. */
class Victim {
  readonly #lab: Lab;

  private constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** From now on what the client's links send to the server's data port bears the victim's address. */
  static async watch(lab: Lab): Promise<Victim> {
    const { router } = lab;
    await router.run("nft", "add", "table", "ip", "spoof");
    const chain = (name: string, hook: string, priority: string) =>
      router.run(
        ...["nft", "add", "chain", "ip", "spoof", name],
        `{ type filter hook ${hook} priority ${priority}; }`,
      );
    await chain("to", "prerouting", "-400");
    await chain("from", "postrouting", "400");
    const rule = (...words: string[]) => router.run("nft", "add", "rule", "ip", "spoof", ...words);
    await rule("to", "iifname", "server", "ip", "daddr", VICTIM, "udp", "sport", "8000", "counter");
    for (const index of LINKS.keys()) {
      const from = ["ip", "saddr", `10.71.${index + 1}.2`, "ip", "daddr", SERVER_ADDRESS];
      const spoof = ["udp", "dport", "8000", "counter", "ip", "saddr", "set", VICTIM];
      await rule("from", ...from, ...spoof);
    }
    return new Victim(lab);
  }

  async assertBounded(measure: Measure): Promise<void> {
    const { stdout } = await this.#lab.router.run("nft", "list", "table", "ip", "spoof");
    const bytes = [...stdout.matchAll(/bytes (\d+)/g)].map(([, count]) => Number(count));
    const [to = 0, ...claimed] = bytes;
    const from = claimed.reduce((sum, count) => sum + count, 0);
    measure("claimed to come from the victim", from, "bytes");
    measure("sent to the victim", to, "bytes");
    ok(from > 0, "the client's datagrams bear the victim's address");
    ok(to <= AMPLIFICATION_MAX * from, `${to} bytes for ${from}`);
  }

  async forget(): Promise<void> {
    await this.#lab.router.run("nft", "delete", "table", "ip", "spoof");
  }
}
