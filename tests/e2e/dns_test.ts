import { deepEqual, equal, match, ok } from "node:assert/strict";
import { INTERNET_ADDRESS, type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, program, startServer } from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { OwnEtc, type ResolvConfKind } from "./own_etc.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, LINKS } from "./small_lab.ts";

const START_TIMEOUT_MS = 30_000;
const LOOK_TIMEOUT_MS = 10_000;
const KINDS: readonly ResolvConfKind[] = ["file", "mounted file", "link"];
const BEFORE = "nameserver 192.168.1.1\nsearch lan\n";

topic("e2e DNS of the client", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const machine = await Deno.readFile("/etc/resolv.conf").catch(() => null);
  const args = [
    ...["-b", "-server", SERVER_ADDRESS, "-ifaces", LINKS.join(","), "-cert", bundle],
    ...["-dns", `${INTERNET_ADDRESS},2001:db8:51::10`],
  ];

  for (const kind of KINDS) {
    const etc = await OwnEtc.create(lab, kind, BEFORE);
    const before = await etc.resolvConf();
    const start = async () => {
      const client = etc.spawnClient(...args);
      await client.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
      match(await etc.resolvConf(), /nameserver 198\.51\.100\.10\nnameserver 2001:db8:51::10\n$/);
      return client;
    };

    await scenario(`resolv.conf is a ${kind}: names are asked for through the tunnel`, async () => {
      const client = await start();
      const questions = await countQuestions(lab);
      await etc.run("timeout", "2", "getent", "hosts", "name.example").catch(() => {});
      ok(await questions() > 0, "no question came to the DNS server from the VPN server");
      equal(await client.stop("SIGTERM"), 0);
      equal(await etc.resolvConf(), before);
    });

    await scenario(`resolv.conf is a ${kind}: restore puts it back after kill -9`, async () => {
      await (await start()).stop("SIGKILL");
      match(await etc.resolvConf(), /198\.51\.100\.10/);
      match((await etc.run(...program("client"), "restore")).stdout, /undid \d+ changes? left by/);
      equal(await etc.resolvConf(), before);
    });

    await scenario(`resolv.conf is a ${kind}: so does the next start, and its stop`, async () => {
      await (await start()).stop("SIGKILL");
      const client = await start();
      equal(await client.stop("SIGINT"), 0);
      equal(await etc.resolvConf(), before);
    });
  }

  for (const end of ["SIGINT", "SIGKILL"] as const) {
    await scenario(`what another program writes comes back at the end, after ${end}`, async () => {
      const etc = await OwnEtc.create(lab, "file", BEFORE);
      const client = etc.spawnClient(...args);
      await client.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
      const ours = await etc.resolvConf();
      await Deno.writeTextFile(etc.path("resolv.conf"), "nameserver 10.0.0.1\n");
      await client.waitForLine(/another program has written .*198\.51\.100\.10/, LOOK_TIMEOUT_MS);
      equal(await etc.resolvConf(), ours);
      await client.stop(end);
      if (end === "SIGKILL") await etc.run(...program("client"), "restore");
      match(await etc.resolvConf(), /nameserver 10\.0\.0\.1\n$/);
    });
  }

  await scenario("other servers are set while it runs, and off brings the first back", async () => {
    const etc = await OwnEtc.create(lab, "file", BEFORE);
    const client = etc.spawnClient(...args);
    await client.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
    const set = async (value: string) =>
      (await etc.run(...program("client"), "set", "dns", value)).stdout;
    match(await set("9.9.9.9,149.112.112.112"), /^dns 9\.9\.9\.9,149\.112\.112\.112: in use$/m);
    match(
      await etc.resolvConf(),
      / 0:0 [^]*nameserver 9\.9\.9\.9\nnameserver 149\.112\.112\.112\n$/,
    );
    match(await set("off"), /the machine's own are asked again/);
    const before = await etc.resolvConf();
    match(before, /nameserver 192\.168\.1\.1\nsearch lan\n$/);
    await set("9.9.9.9");
    match(await etc.resolvConf(), /nameserver 9\.9\.9\.9\n$/);
    const wrong = ending(etc.spawnClient("set", "dns", "9.9.9"));
    equal((await wrong).exitCode, 2);
    equal(await client.stop("SIGTERM"), 0);
    equal(await etc.resolvConf(), before);
  });

  await scenario("a start that fails has changed nothing", async () => {
    const etc = await OwnEtc.create(lab, "link", BEFORE);
    const before = await etc.resolvConf();
    const { exitCode } = await ending(etc.spawnClient(...args, "-once", "-ctrl", "1"));
    equal(exitCode, 1);
    equal(await etc.resolvConf(), before);
  });

  await scenario(
    "a resolv.conf that cannot be written ends the first start, and all is as before",
    async () => {
      const etc = await OwnEtc.create(lab, "read-only file", BEFORE);
      const before = await hostState(lab.client);
      const { exitCode, text } = await ending(etc.spawnClient(...args, "-kill-switch", "-once"));
      equal(exitCode, 1);
      match(text, /Cannot set the DNS servers: .*start without -dns/);
      deepEqual(await hostState(lab.client), before);
    },
  );

  // Network namespaces share it: whatever happened above, it was not this machine's.
  equal(
    (await Deno.readFile("/etc/resolv.conf").catch(() => null))?.toBase64(),
    machine?.toBase64(),
  );
  equal(await server.stop("SIGINT"), 0);
});

/** Counts questions that reach the internet's host from the server's address, from now on. */
async function countQuestions({ internet }: Lab): Promise<() => Promise<number>> {
  const rule = ["iptables", "-w", "-t", "raw"];
  await internet.run(...rule, "-F", "PREROUTING");
  await internet.run(
    ...[...rule, "-A", "PREROUTING", "-s", SERVER_ADDRESS, "-p", "udp", "--dport", "53"],
  );
  return async () => {
    const { stdout } = await internet.run(...rule, "-nvxL", "PREROUTING");
    return Number(/^\s*(\d+)/.exec(stdout.trimEnd().split("\n").at(-1) ?? "")?.[1]);
  };
}
