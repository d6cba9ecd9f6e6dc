/**
 * Names whose addresses change with each answer, as those of large content networks do: a program that
 * connects at once to what it was told takes the way that was chosen for the name.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { OwnEtc } from "./own_etc.ts";
import { ClearTrafficCounter } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, LINKS } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
const NAME = "video.fluxify.example";
const PORT = "8086";
const SITES = Array.from({ length: 40 }, (_, index) => `198.51.100.${100 + index}`);
const NAME_SERVER_PROGRAM = new URL("name_server_program.ts", import.meta.url).pathname;
const DIALS = new URL("dials_program.ts", import.meta.url).pathname;
const DENO = [Deno.execPath(), "run", "-A", "--no-lock"];
/** Of a connection: SYN, ACK and FIN at least. */
const CLEAR_PACKETS_MIN = 3;

topic("e2e names whose answers change", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  // Back to the client's own addresses, too.
  await lab.internet.run("ip", "route", "add", "10.71.0.0/16", "via", "198.51.100.1");
  for (const site of SITES) {
    await lab.internet.run("ip", "address", "add", `${site}/24`, "dev", "wan");
  }
  const file = `${lab.directory}/sites`;
  // All but the last, which nobody is told.
  await Deno.writeTextFile(file, SITES.slice(0, -1).join("\n"));
  const names = lab.internet.spawn([...DENO, NAME_SERVER_PROGRAM, INTERNET_ADDRESS, NAME, file]);
  await names.waitForLine(/ready/, STATE_TIMEOUT_MS);
  const listener = lab.internet.spawn([...DENO, DIALS, "listen", PORT]);
  await listener.waitForLine(/listening/, STATE_TIMEOUT_MS);
  const etc = await OwnEtc.create(
    lab,
    "file",
    `nameserver ${INTERNET_ADDRESS}\noptions timeout:2\n`,
  );
  const before = await hostState(lab.client);
  const clear = await ClearTrafficCounter.start(lab.router, LINKS);
  const start = async (...more: string[]) => {
    const client = etc.spawnClient(
      ...["-b", "-ifaces", LINKS.join(","), "-cert", bundle, "-server", SERVER_ADDRESS, ...more],
    );
    await client.waitForLine(/fluxify-client is up/, STATE_TIMEOUT_MS);
    return client;
  };
  /** How many packets left in clear while `run` did its work. */
  const inClear = async (run: () => Promise<unknown>) => {
    const earlier = await clear.packets();
    await run();
    return await clear.packets() - earlier;
  };
  const dial = (host: string) =>
    etc.run("timeout", "10", "bash", "-c", `exec 3<>/dev/tcp/${host}/${PORT}`);

  for (const killSwitch of [[], ["-kill-switch"]]) {
    await scenario(`-bypass: each connection leaves in clear ${killSwitch}`, async (measure) => {
      const client = await start("-bypass", NAME, ...killSwitch);
      let slowestMs = 0;
      for (let turn = 0; turn < 8; turn++) {
        const startMs = performance.now();
        const packets = await inClear(() => dial(NAME));
        slowestMs = Math.max(slowestMs, performance.now() - startMs);
        ok(packets >= CLEAR_PACKETS_MIN, `${packets} packets in clear, turn ${turn}`);
      }
      measure("slowest look-up and connection", Math.round(slowestMs), "ms");
      // Nobody has asked for that one.
      equal(await inClear(() => dial(SITES.at(-1)!)), 0);
      equal(await inClear(() => dial(INTERNET_ADDRESS)), 0);
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    });
  }

  await scenario("a connection stays where it began, whatever is told later", async () => {
    const client = await start("-bypass", NAME);
    const pinging = etc.spawn("ping", "-i0.2", "-c30", NAME);
    await pinging.waitForLine(/bytes from/, STATE_TIMEOUT_MS);
    const set = ["set", "inet", "fluxify_names_fluxify", "names4"];
    await lab.client.run("nft", "flush", ...set);
    const packets = await inClear(() => pinging.waitForLine(/icmp_seq=15 /, STATE_TIMEOUT_MS));
    ok(packets >= 10, `${packets} packets in clear`);
    await pinging.stop("SIGINT");
    await client.stop("SIGKILL");
    await etc.run("sh", "-c", "nft list tables | grep -q fluxify_names");
  });

  await scenario("-only: each connection goes into the tunnel", async () => {
    // It undoes what the killed one left.
    const client = await start("-only", `${NAME},${INTERNET_ADDRESS}`);
    for (let turn = 0; turn < 6; turn++) equal(await inClear(() => dial(NAME)), 0, `turn ${turn}`);
    const elsewhere = SITES.at(-1)!;
    ok(await inClear(() => dial(elsewhere)) >= CLEAR_PACKETS_MIN, "what is not named");
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });
  await listener.stop("SIGKILL");
  await names.stop("SIGKILL");
  equal(await server.stop("SIGINT"), 0);
});
