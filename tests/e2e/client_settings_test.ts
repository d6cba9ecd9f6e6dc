/** What `fluxify-server client set` does to a client that is connected, and after it comes back. */
import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import { tcpRun, udpRun } from "../../scripts/bench/iperf.ts";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { bestOf } from "../support/best_of.ts";
import type { Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import {
  createSmallLab,
  type Ending,
  ending,
  innerAddresses,
  ping,
  pingAll,
  SERVER_INNER,
  SERVER_INNER6,
} from "./small_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
const RATE_MBIT = 20;
const SECONDS = 4;
const ATTEMPTS_MAX = 10_000;
/** Bytes of IP packets of the tunnel, and of TCP in them with its time stamps. */
const PACKET_BYTES = 1400;
const TCP_SHARE = (PACKET_BYTES - 52) / PACKET_BYTES;

/** Runs `fluxify-server client ...` to its end. */
async function settings(lab: Lab, ...args: string[]): Promise<Ending> {
  const command = [...program("server"), "client", ...args, "-pki", join(lab.directory, "pki")];
  return await ending(lab.server.spawn(command, environment(lab, "server")));
}

/** Pings until no answer comes. */
async function untilCut(from: Namespace, address: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      await from.run("ping", "-c1", "-W1", address);
    } catch {
      return;
    }
  }
  throw new Error(`${address} still answers`);
}

topic("e2e limits of clients", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  for (const engine of ["native", "portable"]) {
    const server = await startServer(lab, { args: ["-engine", engine] });
    const client = await startClient(lab, bundle);
    const set = async (...args: string[]) => {
      const { exitCode, text } = await settings(lab, ...args);
      equal(exitCode, 0, text);
    };
    const [own = ""] = await innerAddresses(client);

    await scenario(
      `a rate of ${RATE_MBIT} Mbit/s, TCP and UDP, both ways (${engine})`,
      async (measure) => {
        await set("set", "laptop", "-rate", `${RATE_MBIT}mbit`);
        const down = { client: lab.server, server: lab.client };
        const up = { client: lab.client, server: lab.server };
        const tcp = (direction: "up" | "down") => async () => {
          const plan = { flows: 1, direction, seconds: SECONDS };
          return (await tcpRun(up, SERVER_INNER, plan)).megabits / TCP_SHARE;
        };
        const udp = (ends: typeof up, address: string) => async () => {
          const packetsPerSecond = 2 * RATE_MBIT * 1e6 / 8 / PACKET_BYTES;
          const { receivedPerSecond } = await udpRun(ends, address, {
            packetsPerSecond,
            seconds: SECONDS,
          });
          return receivedPerSecond * PACKET_BYTES * 8 / 1e6;
        };
        for (
          const [what, run] of [
            ["TCP down", tcp("down")],
            ["TCP up", tcp("up")],
            ["UDP down", udp(down, own)],
            ["UDP up", udp(up, SERVER_INNER)],
          ] as const
        ) {
          const isHeld = (mbit: number) => Math.abs(mbit / RATE_MBIT - 1) < 0.05;
          measure(what, await bestOf(3, run, isHeld), "Mbit/s");
        }
        await set("unset", "laptop");
      },
    );

    await scenario(`nothing beyond the reach, in both families (${engine})`, async () => {
      await pingAll(lab.client, [INTERNET_ADDRESS, INTERNET_ADDRESS6]);
      const reach = `${SERVER_INNER},${SERVER_INNER6},${INTERNET_ADDRESS}`;
      await set("set", "laptop", "-reach", reach);
      await untilCut(lab.client, INTERNET_ADDRESS6);
      await pingAll(lab.client, [SERVER_INNER, SERVER_INNER6, INTERNET_ADDRESS]);
      await set("unset", "laptop", "reach");
      await ping(lab.client, INTERNET_ADDRESS6);
    });

    await scenario(`an address of its own (${engine})`, async () => {
      await set("set", "laptop", "-address", "10.8.0.77");
      await client.waitForLine(/connected again as 10\.8\.0\.77 and fd00:8::4d/, STATE_TIMEOUT_MS);
      await pingAll(lab.client, [SERVER_INNER, INTERNET_ADDRESS, INTERNET_ADDRESS6]);
    });

    await scenario(`let in no longer, and again (${engine})`, async () => {
      await set("set", "laptop", "-expires", "2020-01-31");
      await client.waitForLine(/the access of laptop has ended with 2020-01-31/, STATE_TIMEOUT_MS);
      const from = client.lineCount;
      await set("unset", "laptop", "expires");
      await client.waitForLine(/connected again as 10\.8\.0\.77/, STATE_TIMEOUT_MS, from);
      await ping(lab.client, SERVER_INNER);
    });

    await scenario(
      `a quota that is used up, over a restart of the server (${engine})`,
      async () => {
        await set("set", "laptop", "-quota", "1MB");
        const flood = lab.client.spawn(["ping", "-f", "-s", "1200", SERVER_INNER]);
        await client.waitForLine(/laptop has used up its 1\.0 MB of this month/, STATE_TIMEOUT_MS);
        await flood.stop("SIGINT");
        equal(await server.stop("SIGINT"), 0);
        const shown = await settings(lab, "show", "laptop");
        match(shown.text, /quota +1\.\d MB of 1\.0 MB this month/);
        await set("unset", "laptop");
      },
    );
    await client.stop("SIGINT");
  }
});
