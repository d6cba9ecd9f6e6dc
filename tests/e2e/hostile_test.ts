import { equal, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, type Lab } from "../../scripts/lab/lab.ts";
import type { Child, Namespace } from "../netns/namespace.ts";
import type { SentCounts } from "./hostile_sender.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll, startBoth } from "./small_lab.ts";
import { serveTransfers, Transfer } from "./transfer.ts";

const SENDER = [
  ...[Deno.execPath(), "run", "-A", "--no-lock"],
  new URL("hostile_sender.ts", import.meta.url).pathname,
];
const METRICS_TIMEOUT_MS = 10_000;
const STORM_TIMEOUT_MS = 60_000;
const WARM_UP = 20_000;
const STORM = 80_000;
/** Datagrams a second. */
const RATE = 20_000;
/** What garbage collection and buffers make of a process that runs for ten seconds. */
const GROWTH_MAX_MB = 32;
/** Heartbeats and their echoes of both links, while the quiet storm lasts. */
const ORDINARY_PACKETS_MAX = 300;
const QUIET_STORM = 10_000;
/** A busy machine may make a path suspect for a moment; a line per datagram would be thousands. */
const LOG_LINES_MAX = 40;

topic("e2e hostile datagrams", async (scenario) => {
  await using lab = await createSmallLab();
  const { client, server } = await startBoth(lab, ["-metrics-every", "500ms"]);
  await serveTransfers(lab.internet);
  await pingAll(lab.client, FAR_ADDRESSES);
  const sender = lab.router.spawn([...SENDER, "one", "server"], { stdin: "piped" });

  await scenario("100,000 bad datagrams leave a transfer undisturbed", async (measure) => {
    const plan = { to: INTERNET_ADDRESS, mbit: 8, seconds: 7, flows: 4 };
    const transfer = await Transfer.start(lab.client, plan);
    await sender.waitForLine(/^captured$/, 20_000);
    const from = [client.lineCount, server.lineCount] as const;
    const before = await drops(server);
    const warmUp = await storm(sender, WARM_UP, RATE);
    const memoryBefore = await Promise.all([client, server].map(residentMegabytes));
    const main = await storm(sender, STORM, RATE);
    const memoryAfter = await Promise.all([client, server].map(residentMegabytes));
    measure("still running at the end", Number(transfer.isRunning));
    await transfer.complete(measure);

    const toServer = warmUp.toServer + main.toServer;
    measure("sent", toServer + warmUp.toClient + main.toClient, "packets");
    for (const [index, name] of (["client", "server"] as const).entries()) {
      const growth = memoryAfter[index]! - memoryBefore[index]!;
      measure(`${name}'s memory grew by`, growth, "MB");
      ok(growth < GROWTH_MAX_MB, `${name} grew by ${growth} MB`);
    }
    const after = await drops(server);
    const counted = sum(after) - sum(before);
    measure("counted by the server", counted, "packets");
    ok(counted > toServer * 0.9, `${counted} of ${toServer} were counted`);
    for (
      const reason of [
        ...["too short", "unknown version", "length mismatch", "unknown session"],
        ...["wrong direction", "not authentic", "replayed"],
      ]
    ) {
      ok((after.get(reason) ?? 0) > (before.get(reason) ?? 0), `no drop was "${reason}"`);
    }
    for (const [child, line] of [[client, from[0]], [server, from[1]]] as const) {
      const lines = logLines(child, line);
      ok(lines.length < LOG_LINES_MAX, lines.slice(0, LOG_LINES_MAX).join("\n"));
      ok(!lines.some((text) => /new session|ended/.test(text)), lines.join("\n"));
    }
  });

  await scenario("nothing is sent in answer to bad datagrams", async (measure) => {
    const counters = await PacketCounter.start(lab);
    const sent = await storm(sender, QUIET_STORM, RATE);
    const [stranger, fromServer, fromClient] = await counters.packets();
    measure("sent", sent.toServer + sent.toClient, "packets");
    measure("to a stranger", stranger, "packets");
    measure("from the server", fromServer, "packets");
    measure("from the client", fromClient, "packets");
    equal(stranger, 0);
    ok(fromServer + fromClient < ORDINARY_PACKETS_MAX, `${fromServer} + ${fromClient}`);
  });

  await scenario("oversized datagrams from fragments do no harm", async () => {
    const program = `
      const socket = Deno.listenDatagram({ hostname: "0.0.0.0", port: 0, transport: "udp" });
      const to = { hostname: "203.0.113.10", port: 8000, transport: "udp" };
      for (const length of [1473, 2000, 9000, 60000, 65507]) {
        for (let i = 0; i < 20; i++) await socket.send(new Uint8Array(length).fill(1), to);
      }
    `;
    await lab.router.run(Deno.execPath(), "eval", "--unstable-net", program);
    await pingAll(lab.client, FAR_ADDRESSES);
  });

  await scenario(
    "packets with a foreign inner source are dropped by the server",
    async (measure) => {
      const counter = await ForeignCounter.start(lab.server);
      const before = (await drops(server)).get("foreign source") ?? 0;
      for (const address of ["10.8.0.77", "192.0.2.7", "fd00:8::77", "2001:db8:77::7"]) {
        const isV6 = address.includes(":");
        const own = `${address}/${isV6 ? 128 : 32}`;
        await lab.client.run(
          ...["ip", "address", "add", own, "dev", "lo"],
          ...(isV6 ? ["nodad"] : []),
        );
        const to = FAR_ADDRESSES[isV6 ? 3 : 2]!;
        const ping = ["ping", "-c5", "-i0.05", "-W0.2", "-I", address, to];
        equal(await lab.client.run(...ping).then(() => "answered", () => "no answer"), "no answer");
        await lab.client.run("ip", "address", "del", own, "dev", "lo");
      }
      const dropped = (await drops(server)).get("foreign source") ?? 0;
      measure("dropped", dropped - before, "packets");
      equal(dropped - before, 20);
      equal(await counter.packets(), 0);
      await pingAll(lab.client, FAR_ADDRESSES);
    },
  );
  await sender.stop("SIGKILL");
  equal(await client.stop("SIGINT"), 0);
  equal(await server.stop("SIGINT"), 0);
});

async function storm(sender: Child, count: number, rate: number): Promise<SentCounts> {
  const from = sender.lineCount;
  await sender.write(`${count} ${rate}\n`);
  return JSON.parse((await sender.waitForLine(/^\{.*\}$/, STORM_TIMEOUT_MS, from))[0]);
}

/** The server's drop counters, as its next line of metrics has them. */
async function drops(server: Child): Promise<Map<string, number>> {
  // The first line may have been on its way already.
  await server.waitForLine(/ dropped: /, METRICS_TIMEOUT_MS, server.lineCount);
  const [, text = ""] = await server.waitForLine(
    / dropped: (.*)/,
    METRICS_TIMEOUT_MS,
    server.lineCount,
  );
  return new Map(
    [...text.matchAll(/([a-zA-Z][a-zA-Z -]*) (\d+)/g)].map(([, reason, count]) => {
      return [reason!, Number(count)];
    }),
  );
}

function sum(counters: Map<string, number>): number {
  return [...counters.values()].reduce((total, count) => total + count, 0);
}

async function residentMegabytes({ pid }: Child): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s*(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** What a program has logged since line `from`, metrics aside. */
function logLines(child: Child, from: number): string[] {
  const lines = child.output("stderr").trimEnd().split("\n").slice(from);
  return lines.filter((line) => !/ (dropped: |session=\S+ )/.test(line));
}

/** Packets that reach the router: for the stranger, from the server, from the client. */
class PacketCounter {
  readonly #router: Namespace;

  private constructor(router: Namespace) {
    this.#router = router;
  }

  static async start({ router }: Lab): Promise<PacketCounter> {
    await router.run("iptables", "-w", "-t", "raw", "-N", "answers");
    for (const way of [["-d", "10.71.1.77"], ["-i", "server"], ["!", "-i", "server"]]) {
      await router.run("iptables", "-w", "-t", "raw", "-A", "answers", ...way);
    }
    await router.run("iptables", "-w", "-t", "raw", "-I", "PREROUTING", "-j", "answers");
    return new PacketCounter(router);
  }

  async packets(): Promise<[stranger: number, server: number, client: number]> {
    const { stdout } = await this.#router.run(
      ...["iptables", "-w", "-t", "raw", "-nvxL", "answers"],
    );
    const counts = stdout.trimEnd().split("\n").slice(2).map((line) => parseInt(line));
    return [counts[0]!, counts[1]!, counts[2]!];
  }
}

/** Packets that come out of the server's tunnel with a source that is nobody's there. */
class ForeignCounter {
  readonly #server: Namespace;

  private constructor(server: Namespace) {
    this.#server = server;
  }

  static async start(server: Namespace): Promise<ForeignCounter> {
    for (
      const [tables, own] of [["iptables", "10.8.0.2"], ["ip6tables", "fd00:8::2"]] as const
    ) {
      await server.run(tables, "-w", "-t", "raw", "-N", "foreign");
      const isTunnel = ["-i", "fluxify-srv", "!", "-s", own];
      await server.run(tables, "-w", "-t", "raw", "-A", "foreign", ...isTunnel);
      await server.run(tables, "-w", "-t", "raw", "-A", "PREROUTING", "-j", "foreign");
    }
    return new ForeignCounter(server);
  }

  async packets(): Promise<number> {
    let sum = 0;
    for (const tables of ["iptables", "ip6tables"]) {
      const { stdout } = await this.#server.run(tables, "-w", "-t", "raw", "-nvxL", "foreign");
      sum += parseInt(stdout.trimEnd().split("\n").at(-1) ?? "");
    }
    return sum;
  }
}
