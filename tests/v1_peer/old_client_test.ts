/**
 * A client of the first protocol version with our server:
 *
 *   v1 client == one, two == router == fluxify-server == NAT == internet (UDP echo, port 7)
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import { startServer } from "../../scripts/lab/programs.ts";
import { cutLink, restoreLink } from "../e2e/router_filter.ts";
import { topic } from "../e2e/scenario.ts";
import {
  createSmallLab,
  FAR_ADDRESSES,
  pingAll,
  SERVER_INNER,
  SERVER_INNER6,
} from "../e2e/small_lab.ts";
import { serveTransfers, Transfer } from "../e2e/transfer.ts";
import type { Child } from "../netns/namespace.ts";
import {
  assertNoViolations,
  makeOldTree,
  PeerProcess,
  routeBySource,
  startV1Client,
} from "./peer_process.ts";

const ENGINES = ["native", "portable"] as const;
const NEAR_THE_END = 0xffff_ffc0;
const INTERNET = [INTERNET_ADDRESS, INTERNET_ADDRESS6] as const;
const METRICS_TIMEOUT_MS = 10_000;
const STATE_TIMEOUT_MS = 20_000;

for (const engine of ENGINES) {
  topic(`v1 client and our server (${engine})`, async (scenario) => {
    await using lab = await createSmallLab();
    await routeBySource(lab);
    const tree = await makeOldTree(lab);
    await tree.issueClient("old", "EC P-256");
    // A gap that a hole in the sequence leaves would delay answers beyond what is waited for them.
    const patience = ["-reorder-flush-timeout", "10s", "-reorder-buffer-size", "65536"];
    const server = await startServer(lab, {
      args: [
        "-accept-v1",
        "-engine",
        engine,
        "-metrics-every",
        "200ms",
        "-compression",
        "always",
        ...patience,
      ],
    });
    const echo = await PeerProcess.start(lab.internet, "echo", "7");
    const client = await startV1Client(lab, "old");

    await server.waitForLine(/old speaks v1, .*bring it up to date/, STATE_TIMEOUT_MS);

    await scenario(
      "pings and UDP by IPv4 and IPv6, to the server and through its NAT",
      async () => {
        const pings = FAR_ADDRESSES.map((to) => ({ kind: "ping", to, count: 20 } as const));
        const sizes = [1, 2, 55, 1200].flatMap((bytes) =>
          INTERNET.flatMap((to) =>
            (["text", "random"] as const).map((content) => ({ to, bytes, content }))
          )
        );
        await client.askAll([
          ...pings,
          ...sizes.map((udp) => ({ kind: "udp", count: 5, ...udp } as const)),
          { kind: "ping", to: INTERNET_ADDRESS, count: 20, bytes: 1300, content: "random" },
        ]);
        const report = await client.clientReport();
        assertNoViolations(report);
        equal(report.missing, 0);
        ok(report.flushes <= 1, "the sequence of the server has no holes but before its first");
        equal(report.host.unasked, 0);
        ok(report.gzipSent > 20, `${report.gzipSent} packets were compressed`);
      },
    );

    await scenario("text comes back compressed", async () => {
      await client.askAll([{ kind: "udp", to: INTERNET_ADDRESS, count: 50, bytes: 1200 }]);
      const report = await client.clientReport();
      assertNoViolations(report);
      ok(report.gzipReceived > 20, `${report.gzipReceived} packets were compressed`);
    });

    await scenario("a TCP SYN to a closed port gets a reset by IPv4 and IPv6", async () => {
      const targets = [SERVER_INNER, SERVER_INNER6, ...INTERNET];
      await client.askAll(
        targets.map((to) => ({ kind: "syn", to, count: 3, port: 9 } as const)),
      );
      assertNoViolations(await client.clientReport());
    });

    await scenario("copies and corrupted datagrams change nothing and get no answer", async () => {
      await client.askAll([{ kind: "udp", to: INTERNET_ADDRESS, count: 30 }]);
      const before = await echo.echoed();
      const answered = (await client.clientReport()).host.packets;
      const sent = await client.hostile("replay") + await client.hostile("corrupt");
      ok(sent > 60);
      const dropped = await droppedWhen(server, (drops) => drops("not authentic") > 0);
      ok(dropped("late") > 0, "copies of packets are late");
      ok(dropped("replayed") > 0, "copies of heartbeats and handshakes are copies");
      await client.askAll([{ kind: "ping", to: INTERNET_ADDRESS, count: 10 }]);
      equal(await echo.echoed(), before, "no copy reached the internet");
      const report = await client.clientReport();
      equal(report.host.packets, answered + 10);
      equal(report.strayReceived, 0);
      assertNoViolations(report);
      deepEqual(await pathsOf(server), new Set(client.ready.sources), "no copy opened a path");
    });

    await scenario("gzip bombs are refused, and nothing waits for them", async () => {
      const bomber = await startV1Client(lab, "old");
      const before = (await droppedWhen(server, () => true))("bad gzip");
      const bombs = await bomber.hostile("bomb");
      const answered = await bomber.ask({ kind: "ping", to: INTERNET_ADDRESS, count: 10 });
      await droppedWhen(server, (drops) => drops("bad gzip") === before + bombs);
      await bomber.stop();
      equal(answered, 10, "pings behind the bombs");
    });

    await scenario("a client that comes again has its addresses, and a new session", async () => {
      const again = await startV1Client(lab, "old");
      equal(again.ready.ipv4, client.ready.ipv4);
      equal(again.ready.ipv6, client.ready.ipv6);
      await again.askAll(FAR_ADDRESSES.map((to) => ({ kind: "ping", to, count: 5 } as const)));
      assertNoViolations(await again.clientReport());
      await again.stop();
    });

    await scenario("sequence numbers go past 2^32", async () => {
      const wrapping = await startV1Client(lab, "old");
      await wrapping.askAll([{ kind: "ping", to: INTERNET_ADDRESS, count: 5 }]);
      await wrapping.walk(NEAR_THE_END, INTERNET_ADDRESS);
      await wrapping.askAll([{ kind: "ping", to: INTERNET_ADDRESS, count: 200 }]);
      const report = await wrapping.clientReport();
      ok(report.packetsSent > 200);
      assertNoViolations(report);
      await wrapping.stop();
    });

    // The session decides, and it is the same in both engines.
    if (engine === "portable") {
      await scenario("a cut link is left by the server, and used again", async () => {
        await using stack = new AsyncDisposableStack();
        const cut = await startV1Client(lab, "old");
        await cutLink(lab.router, "two");
        stack.defer(() => restoreLink(lab.router, "two").catch(() => {}));
        const second = RegExp.escape(cut.ready.sources[1]!);
        await cut.use(0);
        let isLeft = false;
        const leftLine = new RegExp(`${second} is (suspect|down)`);
        const left = server.waitForLine(leftLine, STATE_TIMEOUT_MS).finally(() => isLeft = true);
        // Each has a port, and so a flow, of its own; half the answers go the wrong way.
        const flows = { kind: "udp", to: INTERNET_ADDRESS, count: 8, patienceMs: 200 } as const;
        while (!isLeft) await cut.ask(flows);
        await left;
        await cut.askAll(FAR_ADDRESSES.map((to) => ({ kind: "ping", to, count: 10 } as const)));
        const mended = server.lineCount;
        await stack.disposeAsync();
        await server.waitForLine(new RegExp(`${second} is up`), STATE_TIMEOUT_MS, mended);
        await cut.use(0, 1);
        await cut.askAll(FAR_ADDRESSES.map((to) => ({ kind: "ping", to, count: 10 } as const)));
        assertNoViolations(await cut.clientReport());
        await cut.stop();
      });
    }

    await scenario("TCP in both directions through a TUN device of the client", async (measure) => {
      await client.stop();
      const tun = await startV1Client(lab, "old", "--tun", "v1tun");
      await addTun(lab, tun);
      await serveTransfers(lab.internet);
      await pingAll(lab.client, FAR_ADDRESSES);
      const plans = INTERNET.map((to) => ({ to, mbit: 8, seconds: 0.5, flows: 2 }));
      await Promise.all(
        plans.map(async (plan) => (await Transfer.start(lab.client, plan)).complete(measure)),
      );
      assertNoViolations(await tun.clientReport());
      await tun.stop();
    });

    equal(await server.stop("SIGINT"), 0);
    await echo.stop();

    await scenario("without -accept-v1 the server refuses it, and says what to do", async () => {
      const strict = await startServer(lab, { args: ["-engine", engine] });
      await rejects(startV1Client(lab, "old"));
      await strict.waitForLine(
        /refused .*: this client speaks v1 only, .*up to date, or .* -accept-v1/,
        STATE_TIMEOUT_MS,
      );
      equal(await strict.stop("SIGINT"), 0);
    });
  });
}

async function addTun(lab: Lab, { ready }: PeerProcess): Promise<void> {
  const ip = (...args: string[]) => lab.client.run("ip", ...args);
  await ip("address", "add", `${ready.ipv4}/24`, "dev", "v1tun");
  await ip("address", "add", `${ready.ipv6}/64`, "dev", "v1tun", "nodad");
  await ip("link", "set", "v1tun", "up", "mtu", "1400");
  for (const to of INTERNET) await ip("route", "add", to, "dev", "v1tun");
}

/** Waits for a line of the server's drop counters that `isIt` likes. Returns what looks them up. */
async function droppedWhen(
  server: Child,
  isIt: (drops: (reason: string) => number) => boolean,
): Promise<(reason: string) => number> {
  const giveUpAt = performance.now() + METRICS_TIMEOUT_MS;
  for (;;) {
    const from = server.lineCount;
    const [, text = ""] = await server.waitForLine(/ dropped: (.*)/, METRICS_TIMEOUT_MS, from);
    const drops = (reason: string) => Number(new RegExp(`${reason} (\\d+)`).exec(text)?.[1] ?? 0);
    if (isIt(drops)) return drops;
    if (performance.now() > giveUpAt) throw new Error(`The server has dropped: ${text}`);
  }
}

/** The addresses of the paths of the server's only session. */
async function pathsOf(server: Child): Promise<Set<string>> {
  const from = server.lineCount;
  await server.waitForLine(/ session=old id=/, METRICS_TIMEOUT_MS, from);
  await server.waitForLine(/ dropped: /, METRICS_TIMEOUT_MS, server.lineCount);
  // The lines of the session and its paths stand before the counters of all.
  const reports = server.output("stderr").match(/ session=old id=[^]*? dropped: /g);
  return new Set(reports?.at(-1)?.match(/10\.71\.\d+\.2:\d+/g));
}
