/**
 * Programs and packets beside the tunnel, by cgroup (-bypass-cgroup) and by mark (-bypass-mark), in both
 * families, with and without the kill switch.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startServer,
} from "../../scripts/lab/programs.ts";
import { until } from "../../testing/until.ts";
import { hostState } from "./host_state.ts";
import { ClearTrafficCounter } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, LINKS, ping } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
const CGROUP = `fluxify-test-${Deno.pid}`;
const DENO = [Deno.execPath(), "run", "-A", "--no-check"];
const DIALS = new URL("./dials_program.ts", import.meta.url).pathname;
const FAR = [INTERNET_ADDRESS, INTERNET_ADDRESS6];
/** `ip netns exec` leaves a /sys without them. */
const WITH_CGROUPS = ["sh", "-c", 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"', "sh"];
const IN_CGROUP = [
  ...["sh", "-c"],
  `mount -t cgroup2 none /sys/fs/cgroup && echo $$ > /sys/fs/cgroup/${CGROUP}/cgroup.procs && exec "$@"`,
  "sh",
];

topic("e2e programs beside the tunnel", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  // Back to the client's own addresses, too.
  await lab.internet.run("ip", "route", "add", "10.71.0.0/16", "via", "198.51.100.1");
  await lab.internet.run("ip", "route", "add", "fd71::/16", "via", "2001:db8:51::1");
  const inCgroups = (command: string) => lab.client.run(...WITH_CGROUPS, "sh", "-c", command);
  const make = () => inCgroups(`mkdir -p /sys/fs/cgroup/${CGROUP}`);
  const remove = async () => {
    await until(
      "nobody is in the cgroup",
      async () => await inCgroups(`rmdir /sys/fs/cgroup/${CGROUP}`).then(() => true, () => false),
      STATE_TIMEOUT_MS,
    );
  };
  const before = await hostState(lab.client);
  const clear = await ClearTrafficCounter.start(lab.router, LINKS);
  const spawn = (...more: string[]) =>
    lab.client.spawn([
      ...[...WITH_CGROUPS, ...program("client"), "-b", "-server", SERVER_ADDRESS],
      ...["-ifaces", LINKS.join(","), "-cert", bundle, ...more],
    ], environment(lab, "client"));
  const start = async (...more: string[]) => {
    const client = spawn(...more);
    await client.waitForLine(/fluxify-client is up/, STATE_TIMEOUT_MS);
    return client;
  };
  /** How many packets left in clear while `run` did its work. */
  const inClear = async (run: () => Promise<unknown>) => {
    const earlier = await clear.packets();
    await run();
    return await clear.packets() - earlier;
  };
  const pings = async (...prefix: string[]) => {
    for (const address of FAR) await lab.client.run(...prefix, "ping", "-c1", "-w10", address);
  };

  for (const killSwitch of [[], ["-kill-switch"]]) {
    await scenario(
      `-bypass-cgroup: its programs leave in clear, no others ${killSwitch}`,
      async () => {
        await make();
        const client = await start("-bypass-cgroup", CGROUP, ...killSwitch);
        match(
          client.tail(50),
          new RegExp(`packets of the cgroup ${CGROUP} go outside the tunnel`),
        );
        ok(await inClear(() => pings(...IN_CGROUP)) >= 2, "in clear");
        equal(await inClear(() => pings()), 0, "in the tunnel");
        // TCP chooses its address before the mark: it gets the link's on the way.
        const listener = lab.internet.spawn([...DENO, DIALS, "listen", "8086"]);
        await listener.waitForLine(/listening/, STATE_TIMEOUT_MS);
        const dial = ["bash", "-c", `exec 3<>/dev/tcp/${INTERNET_ADDRESS}/8086`];
        ok(
          await inClear(() => lab.client.run(...IN_CGROUP, ...dial)) >= 3,
          "a connection",
        );
        equal(await inClear(() => lab.client.run(...dial)), 0);
        await listener.stop("SIGKILL");
        // Made anew, as systemd does when it starts a service again.
        await remove();
        await client.waitForLine(/no cgroup .* yet/, STATE_TIMEOUT_MS);
        await make();
        await until(
          "it is followed",
          async () => await inClear(() => pings(...IN_CGROUP)) >= 2,
          STATE_TIMEOUT_MS,
        );
        equal(await client.stop("SIGINT"), 0);
        deepEqual(await hostState(lab.client), before);
      },
    );
  }

  await scenario(
    "-bypass-mark: marked packets leave in clear, and nothing is left behind",
    async () => {
      const client = await start("-bypass-mark", "0x10/0xf0", "-kill-switch");
      ok(await inClear(() => pingMarked(0x10)) >= 2);
      ok(await inClear(() => pingMarked(0x11)) >= 2, "other bits do not count");
      equal(await inClear(() => pings()), 0);
      equal(await inClear(() => pingMarked(0x30)), 0);
      await client.stop("SIGKILL");
      ok((await lab.client.run("ip", "rule")).stdout.includes("fwmark 0x10/0xf0"));
      await lab.client.runWith(environment(lab, "client"), ...program("client"), "restore");
      deepEqual(await hostState(lab.client), before);
    },
  );

  await scenario("a machine without cgroups of version 2 is told what to do", async () => {
    const client = lab.client.spawn([
      ...[...program("client"), "-b", "-once", "-server", SERVER_ADDRESS],
      ...["-ifaces", LINKS.join(","), "-cert", bundle, "-bypass-cgroup", "a.slice"],
    ], environment(lab, "client"));
    const { exitCode, text } = await ending(client);
    equal(exitCode, 1);
    match(text, /no cgroups of version 2 .* use -bypass-mark/);
    deepEqual(await hostState(lab.client), before);
  });
  await remove();
  await ping(lab.client, SERVER_ADDRESS);
  equal(await server.stop("SIGINT"), 0);

  async function pingMarked(mark: number): Promise<void> {
    await pings("env", `MARK=${mark}`, "sh", "-c", 'shift; exec ping -m "$MARK" "$@"', "sh");
  }
});
