/**
 * Our client with a server of the first protocol version, which spends sequence numbers on the
 * echoes of heartbeats and answers for the whole internet itself:
 *
 *   fluxify-client == one, two == router == v1 server
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import { spawnClient, startClient } from "../../scripts/lab/programs.ts";
import { cutLink, restoreLink } from "../e2e/router_filter.ts";
import { type Measure, topic } from "../e2e/scenario.ts";
import {
  createSmallLab,
  ending,
  FAR_ADDRESSES,
  LINKS,
  ping,
  pingAll,
  SERVER_INNER,
  SERVER_INNER6,
} from "../e2e/small_lab.ts";
import { serveTransfers, Transfer } from "../e2e/transfer.ts";
import { assertNoViolations, makeOldTree, PeerProcess } from "./peer_process.ts";

const ENGINES = ["native", "portable"] as const;
const CLIENT_INNER = "10.8.0.2";
const CLIENT_INNER6 = "fd00:8::2";
const NEAR_THE_END = 0xffff_ffc0;
/** It carries the control connection as well. */
const CUT = "one";
const STATE_TIMEOUT_MS = 20_000;

for (const engine of ENGINES) {
  topic(`our client (${engine}) and a v1 server`, async (scenario) => {
    await using lab = await createSmallLab();
    const tree = await makeOldTree(lab);
    await tree.issueClient("new", "EC P-256");
    let server = await startV1Server(lab);
    // A hole that an echo leaves in the sequence would cost ten seconds.
    const patience = ["-reorder-flush-timeout", "10s", "-reorder-buffer-size", "65536"];
    const certificate = `${tree.directory}/clients/new.pem`;
    const args = ["-accept-v1", "-engine", engine, "-v", "-compression", "always"];
    let client = await startClient(lab, certificate, { args: [...args, ...patience] });
    await client.waitForLine(/the server speaks v1, .*bring it up to date/, STATE_TIMEOUT_MS);

    await scenario(
      "the client asks as the document says, and takes an answer without features",
      async () => {
        const { asked } = await server.serverReport();
        equal(asked.length, 1);
        equal(asked[0]!.commonName, "new");
        ok(asked[0]!.clientName === "" || asked[0]!.clientName === "new");
        ok(Array.isArray(asked[0]!.features));
      },
    );

    await scenario("pings both ways, although echoes take sequence numbers", async (measure) => {
      await pingAll(lab.client, FAR_ADDRESSES);
      const results = await Promise.all(FAR_ADDRESSES.map((to) => {
        return lab.client.run("ping", "-c25", "-i0.04", "-W2", "-q", to);
      }));
      // Behind a hole nothing would come. A busy machine may lose one or the other.
      for (const { stdout } of results) ok(/ (2\d) received/.test(stdout), stdout);
      await server.askAll([
        { kind: "ping", to: CLIENT_INNER, count: 50 },
        { kind: "ping", to: CLIENT_INNER6, count: 50, bytes: 1200, content: "random" },
        { kind: "syn", to: CLIENT_INNER, count: 5, port: 9 },
        { kind: "syn", to: CLIENT_INNER6, count: 5, port: 9 },
      ]);
      const report = await server.serverReport();
      assertNoViolations(report);
      equal(report.missing, 0);
      equal(report.flushes, 0);
      ok(report.gzipSent > 0);
      for (const [address, beats] of Object.entries(report.heartbeats)) {
        measure(`heartbeats from ${address}`, beats);
        // More than the one of each 2 s of quiet.
        ok(beats >= 4, `${address} sent ${beats}`);
      }
      deepEqual(
        Object.keys(report.heartbeats).sort(),
        LINKS.map((name) => lab.clientAddress(name)),
      );
    });

    await scenario("UDP of each length is echoed, and a TCP connection is refused", async () => {
      await lab.client.runWith(
        { timeoutMs: 20_000 },
        ...[Deno.execPath(), "eval", "--no-lock", "--unstable-net", UDP_PROGRAM],
        ...[SERVER_INNER, SERVER_INNER6, INTERNET_ADDRESS, INTERNET_ADDRESS6],
      );
      assertNoViolations(await server.serverReport());
    });

    await scenario("what gets shorter comes compressed", async () => {
      await ping(lab.client, SERVER_INNER, "-s", "1200");
      const pings = ["ping", "-c20", "-i0.02", "-W2", "-q", "-s", "1200", INTERNET_ADDRESS];
      await lab.client.run(...pings);
      const report = await server.serverReport();
      assertNoViolations(report);
      ok(report.gzipReceived > 5, `${report.gzipReceived} packets were compressed`);
    });

    await scenario("sequence numbers of the server go past 2^32", async () => {
      await server.walk(NEAR_THE_END, CLIENT_INNER);
      await server.askAll([{ kind: "ping", to: CLIENT_INNER, count: 200 }]);
      await pingAll(lab.client, FAR_ADDRESSES);
      assertNoViolations(await server.serverReport());
    });

    await scenario("a client that comes again asks for a new session", async () => {
      equal(await client.stop("SIGINT"), 0);
      client = await startClient(lab, certificate, { args });
      equal((await server.serverReport()).asked.length, 2);
      await pingAll(lab.client, FAR_ADDRESSES);
    });

    await scenario("a cut link is left, and used again", async () => {
      const from = client.lineCount;
      await cutLink(lab.router, CUT);
      const pings = ["ping", "-c20", "-i0.1", "-w8", "-q", SERVER_INNER];
      const { stdout } = await lab.client.run(...pings);
      ok(/ 20 received/.test(stdout), stdout);
      await client.waitForLine(lineOf(CUT, "suspect|down"), STATE_TIMEOUT_MS, from);
      await pingAll(lab.client, FAR_ADDRESSES);
      const mended = client.lineCount;
      await restoreLink(lab.router, CUT);
      await client.waitForLine(lineOf(CUT, "up"), STATE_TIMEOUT_MS, mended);
      await pingAll(lab.client, FAR_ADDRESSES);
      assertNoViolations(await server.serverReport());
    });

    await scenario("a server that starts again gets a new session", async (measure) => {
      const from = client.lineCount;
      await server.stop();
      // The native engine gets its TCP from the kernel in pieces of up to 64 KiB.
      const tun = engine === "native" ? ["--tun", "v1tun"] : [];
      server = await startV1Server(lab, ...tun);
      if (tun.length > 0) await addTun(lab);
      await client.waitForLine(/connected again as|session renewed/, STATE_TIMEOUT_MS, from);
      await pingAll(lab.client, [SERVER_INNER, SERVER_INNER6]);
      if (tun.length > 0) await transferToServer(lab, measure);
      const report = await server.serverReport();
      assertNoViolations(report);
      equal(report.asked.length, 1);
    });

    equal(await client.stop("SIGINT"), 0);
    assertNoViolations(await server.serverReport());

    await scenario("without -accept-v1 the client leaves, and says what to do", async () => {
      const { exitCode, text } = await ending(spawnClient(lab, certificate));
      equal(exitCode, 1);
      match(text, /server speaks v1 only, .*bring it up to date, or give -accept-v1/);
    });
    await server.stop();
  });
}

function startV1Server(lab: Lab, ...args: string[]): Promise<PeerProcess> {
  return PeerProcess.start(lab.server, "server", "--pki", `${lab.directory}/pki`, ...args);
}

async function addTun({ server }: Lab): Promise<void> {
  await server.run("ip", "address", "add", "10.8.0.1/24", "dev", "v1tun");
  await server.run("ip", "address", "add", "fd00:8::1/64", "dev", "v1tun", "nodad");
  await server.run("ip", "link", "set", "v1tun", "up", "mtu", "1400");
}

async function transferToServer(lab: Lab, measure: Measure): Promise<void> {
  await serveTransfers(lab.server);
  const transfers = [SERVER_INNER, SERVER_INNER6].map(async (to) => {
    const transfer = await Transfer.start(lab.client, { to, mbit: 8, seconds: 0.5, flows: 2 });
    await transfer.complete(measure);
  });
  await Promise.all(transfers);
}

function lineOf(link: string, states: string): RegExp {
  return new RegExp(`link ${link}: path is (${states})`);
}

/** Asks the echo service of each address, and tries to connect to it by TCP. */
const UDP_PROGRAM = `
  for (const hostname of Deno.args) {
    const own = hostname.includes(":") ? "::" : "0.0.0.0";
    const socket = Deno.listenDatagram({ transport: "udp", hostname: own, port: 0 });
    for (const length of [0, 1, 2, 3, 511, 1200, 1301]) {
      const sent = crypto.getRandomValues(new Uint8Array(length));
      await socket.send(sent, { transport: "udp", hostname, port: 7 });
      const [got] = await socket.receive(new Uint8Array(2000));
      if (got.toHex() !== sent.toHex()) throw new Error(hostname + " echoed other bytes");
    }
    socket.close();
    const refusal = await Deno.connect({ hostname, port: 9 }).catch((error) => error);
    if (!(refusal instanceof Deno.errors.ConnectionRefused)) throw new Error(String(refusal));
  }
`;
