/** Two servers of one authority, one killed, one that comes back, under the kill switch. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startServer,
} from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { ClearTrafficCounter } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { SECOND_ADDRESS, SECOND_ADDRESS6, SecondServer } from "./second_server.ts";
import { createSmallLab, LINKS, ping } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 40_000;
const MOVE_MAX_MS = 5000;
const DIALS = new URL("./dials_program.ts", import.meta.url).pathname;
const PORT = "8085";

/** Connections through the tunnel to the internet, one after the other without a rest. */
class Dials {
  readonly #child: Child;

  constructor(lab: Lab) {
    this.#child = lab.client.spawn([...DENO, DIALS, "dial", INTERNET_ADDRESS, PORT]);
  }

  /** Of those that began at `sinceAt` or later: how many failed, and how long each of the others took. */
  since(sinceAt: number): { failed: number; tookMs: number[] } {
    const lines = this.#child.output("stdout").trim().split("\n").map((line) => line.split(" "));
    const begun = lines.filter(([beganAt]) => Number(beganAt) >= sinceAt);
    return {
      failed: begun.filter(([, took]) => took === "failed").length,
      tookMs: begun.filter(([, took]) => took !== "failed").map(([, took]) => Number(took)),
    };
  }

  /** Resolves with when the first connection was made that began at `sinceAt` or later. */
  async firstSince(sinceAt: number): Promise<number> {
    const from = this.#child.lineCount;
    for (let seen = from;; seen = this.#child.lineCount) {
      const [, beganAt, took] = await this.#child.waitForLine(
        /^(\d+) (\d+)$/,
        STATE_TIMEOUT_MS,
        seen,
      );
      if (Number(beganAt) >= sinceAt) return Number(beganAt) + Number(took);
    }
  }
}

const DENO = [Deno.execPath(), "run", "-A", "--no-check"];

topic("e2e several servers", async (scenario) => {
  await using lab = await createSmallLab();
  await using cleanup = new AsyncDisposableStack();
  const bundle = await newClientCertificate(lab, "laptop");
  const second = await SecondServer.create(lab, cleanup);
  let first = await startServer(lab);
  await second.start();
  const listener = lab.internet.spawn([...DENO, DIALS, "listen", PORT]);
  await listener.waitForLine(/listening/, STATE_TIMEOUT_MS);
  const before = await hostState(lab.client);

  const client = lab.client.spawn([
    ...program("client"),
    ...["-b", "-servers", `${SERVER_ADDRESS},${SECOND_ADDRESS}`, "-server-choice", "order"],
    ...["-ifaces", LINKS.join(","), "-cert", bundle, "-kill-switch"],
  ], environment(lab, "client"));
  await client.waitForLine(/fluxify-client is up/, STATE_TIMEOUT_MS);
  const bypass = await ClearTrafficCounter.start(lab.router, LINKS, [
    SECOND_ADDRESS,
    SECOND_ADDRESS6,
  ]);
  const status = async () => {
    const { stdout } = await lab.client.runWith(
      environment(lab, "client"),
      ...[...program("client"), "status", "--json"],
    );
    return JSON.parse(stdout).bond;
  };
  const states = async () => (await status()).servers.map(({ state }: { state: string }) => state);

  await scenario("the first is in use, and routes lead to both over each link", async () => {
    deepEqual(await states(), ["in use", "not asked"]);
    for (const address of [SERVER_ADDRESS, SECOND_ADDRESS]) {
      const { stdout } = await lab.client.run("ip", "route", "show", address);
      for (const link of LINKS) match(stdout, new RegExp(`dev ${link} `), address);
    }
  });

  await ping(lab.client, INTERNET_ADDRESS);
  const dials = new Dials(lab);
  await dials.firstSince(Date.now());

  await scenario("kill -9 of the server in use: the other one takes over", async (measure) => {
    const { addresses } = await status();
    const killedAt = Date.now();
    await first.stop("SIGKILL");
    const backMs = await dials.firstSince(killedAt + 200) - killedAt;
    measure("without a connection", backMs, "ms");
    ok(backMs <= MOVE_MAX_MS, `${backMs} ms`);
    deepEqual(await states(), ["silent", "in use"]);
    equal((await status()).server, SECOND_ADDRESS);
    equal((await status()).addresses, addresses, "the inner address is kept");
    equal(await bypass.packets(), 0);
  });

  await scenario(
    "it comes back to the first when that has been well for a while",
    async (measure) => {
      const from = client.lineCount;
      first = await startServer(lab);
      const wellAt = Date.now();
      await client.waitForLine(
        new RegExp(`in use: server ${SERVER_ADDRESS}`),
        3 * STATE_TIMEOUT_MS,
        from,
      );
      measure("until it was trusted", Math.round((Date.now() - wellAt) / 1000), "s");
      // What was moved away from is told, and what is on the way still comes.
      await dials.firstSince(Date.now());
      const { failed, tookMs } = dials.since(wellAt);
      measure("connections meanwhile", tookMs.length);
      measure("longest of them", Math.max(...tookMs), "ms");
      equal(failed, 0);
      ok(Math.max(...tookMs) < 1000, "none was begun anew");
      deepEqual(await states(), ["in use", "not asked"]);
      equal(await bypass.packets(), 0);
    },
  );

  equal(await client.stop("SIGINT"), 0);
  deepEqual(await hostState(lab.client), before);
});
