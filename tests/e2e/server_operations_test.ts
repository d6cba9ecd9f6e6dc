import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { openServerPki } from "../../lib/pki/server_pki.ts";
import { type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  type ClientSite,
  newClientCertificate,
  pkiDirectory,
  spawnClient,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import {
  addSite,
  cert,
  createSmallLab,
  ending,
  FAR_ADDRESSES,
  innerAddresses,
  pingAll,
  SERVER_INNER,
} from "./small_lab.ts";

const LINE_TIMEOUT_MS = 15_000;
const CLIENTS_MAX = 253;
const RUN = [Deno.execPath(), "run", "-A", "--no-lock"];
const EXCHANGES = [...RUN, new URL("exchanges_program.ts", import.meta.url).pathname];

topic("e2e SIGHUP", async (scenario) => {
  await using lab = await createSmallLab();
  await using cleanup = new AsyncDisposableStack();
  const tablet = await addSite(lab, cleanup, "tablet");
  const phone = await addSite(lab, cleanup, "phone", 2);
  const before = await hostState(lab.server);
  const laptopBundle = await newClientCertificate(lab, "laptop");
  const tabletBundle = await newClientCertificate(lab, "tablet");
  const server = await startServer(lab, { args: ["-metrics-every", "200ms"] });
  const laptop = await startClient(lab, laptopBundle);
  const lost = await startClient(tablet, tabletBundle);
  const serverPem = join(pkiDirectory(lab), "server.pem");

  await scenario("new certificates are served, and no ping is lost", async (measure) => {
    const ping = lab.client.spawn(["ping", "-n", "-i", "0.05", "-c", "120", SERVER_INNER]);
    await ping.waitForLine(/icmp_seq=10 /, LINE_TIMEOUT_MS);
    for (let reload = 0; reload < 3; reload++) {
      const old = await Deno.readTextFile(serverPem);
      await Deno.remove(serverPem);
      const from = server.lineCount;
      server.signal("SIGHUP");
      await server.waitForLine(
        /reloaded: authority unchanged, server certificate new \(.*\), server key unchanged, 0 cert/,
        LINE_TIMEOUT_MS,
        from,
      );
      notEqual(await Deno.readTextFile(serverPem), old);
    }
    ok(ping.exitCode === null, "the pings went on all the time");
    const { text } = await ending(ping);
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
    measure("pings lost", Number(sent) - Number(received), "packets");
    equal(received, sent, text);
    equal(laptop.exitCode, null);
  });

  await scenario("a new client is served with the new certificate", async () => {
    const { stdout } = await exchanges(phone, await newClientCertificate(lab, "phone"));
    match(stdout, /^granted 10\.8\.0\.\d+ fd00:8::/);
  });

  await scenario("a bad file changes nothing, and is named with what to do", async () => {
    const good = await Deno.readTextFile(serverPem);
    await Deno.writeTextFile(serverPem, "no certificate");
    const from = server.lineCount;
    server.signal("SIGHUP");
    const [line] = await server.waitForLine(/Cannot reload.*/, LINE_TIMEOUT_MS, from);
    match(line, /those in use stay: .*server\.pem.*then send SIGHUP again/);
    await exchanges(phone, laptopBundle);
    await pingAll(tablet.client, FAR_ADDRESSES);
    await Deno.writeTextFile(serverPem, good);
    server.signal("SIGHUP");
    await server.waitForLine(/reloaded: /, LINE_TIMEOUT_MS, from);
  });

  await scenario("the metrics have a line for each session and path", async () => {
    for (const name of ["laptop", "tablet"]) {
      const [line] = await server.waitForLine(
        new RegExp(`session=${name} id=[0-9a-f]{8} .*`),
        LINE_TIMEOUT_MS,
        server.lineCount,
      );
      match(
        line,
        / wire=x1 .* reorder\.maxDepth=\d+packets compression\.plain=\d+B compression\.carried=\d+B$/,
      );
      for (const path of [0, 1]) {
        const [more] = await server.waitForLine(
          new RegExp(`session=${name} path=${path} .*`),
          LINE_TIMEOUT_MS,
          server.lineCount,
        );
        match(more, / address=10\.7\d\.\d\.2:\d+ state=up good=\w+ /);
        match(more, / rtt=[\d.]+ms .*jitter=[\d.]+ms .*loss=\S+ score=\S+ .*in=\d+B out=\d+B /);
      }
    }
  });

  await scenario("a revoked client is out, the others stay", async () => {
    equal((await cert(lab, "revoke", "tablet")).exitCode, 0);
    const from = server.lineCount;
    server.signal("SIGHUP");
    await server.waitForLine(/session of tablet ended: its certificate was revoked/, 5000);
    await server.waitForLine(/reloaded: .* 1 certificates revoked/, LINE_TIMEOUT_MS, from);
    equal((await ending(lost)).exitCode, 1);
    const { exitCode, text } = await ending(spawnClient(tablet, tabletBundle));
    equal(exitCode, 1);
    match(text, /the certificate of 'tablet' has been revoked/);
    await pingAll(lab.client, [SERVER_INNER]);
  });

  await scenario("the client still ends on SIGHUP, and the server on SIGTERM", async () => {
    equal(await laptop.stop("SIGHUP"), 0);
    equal(await server.stop("SIGTERM"), 0);
    equal(await hostState(lab.server), before);
  });
});

topic("e2e leases", async (scenario) => {
  await using lab = await createSmallLab();
  await using cleanup = new AsyncDisposableStack();
  const tablet = await addSite(lab, cleanup, "tablet");
  const phone = await addSite(lab, cleanup, "phone", 2);
  const leases = join(pkiDirectory(lab), "leases.json");
  const bundles = [
    await newClientCertificate(lab, "laptop"),
    await newClientCertificate(lab, "tablet"),
  ] as const;
  let server = await startServer(lab);
  const had = await addressesOf(lab, bundles[0], tablet, bundles[1]);

  await scenario("addresses outlive a server that is stopped, and one that is killed", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await server.stop(signal);
      equal((await Deno.stat(leases)).mode! & 0o777, 0o600);
      server = await startServer(lab);
      // The other one comes first.
      const [second, first] = await addressesOf(tablet, bundles[1], lab, bundles[0]);
      deepEqual([first, second], had);
    }
  });

  await scenario("a live client keeps its address while the server starts again", async () => {
    const client = await startClient(lab, bundles[0]);
    deepEqual(await innerAddresses(client), had[0]);
    await server.stop("SIGKILL");
    server = await startServer(lab);
    const { stdout } = await exchanges(phone, bundles[1]);
    equal(stdout.trim(), `granted ${had[1]!.join(" ")}`);
    await pingAll(lab.client, [SERVER_INNER]);
    equal(await client.stop("SIGINT"), 0);
  });

  await scenario("a damaged file is kept aside", async () => {
    equal(await server.stop("SIGTERM"), 0);
    await Deno.writeTextFile(leases, '{"version":1,"leases":[{"na');
    server = await startServer(lab);
    await server.waitForLine(/leases\.json: it is not JSON; the file is kept as .*damaged/, 1000);
    ok((await Deno.stat(`${leases}.damaged`)).isFile);
    await exchanges(phone, bundles[0]);
    equal(await server.stop("SIGTERM"), 0);
    match(await Deno.readTextFile(leases), /"name":"laptop","ipv4":"10\.8\.0\.2"/);
  });

  await scenario("253 clients get distinct addresses, the next one a clear refusal", async () => {
    const many = await manyBundles(lab, CLIENTS_MAX);
    server = await startServer(lab);
    const { stdout } = await exchanges(phone, ...many);
    const granted = stdout.trim().split("\n");
    equal(granted.length, CLIENTS_MAX);
    equal(new Set(granted).size, CLIENTS_MAX);
    const { exitCode, text } = await ending(
      spawnClient(lab, bundles[0], { args: ["-once"] }),
    );
    equal(exitCode, 1);
    match(text, /The server refuses: all 253 addresses of this server are in use: wait until/);
    await server.waitForLine(/refused .*: all 253 addresses/, LINE_TIMEOUT_MS);
    // A client that has an address gets a new session with it.
    const again = await exchanges(phone, many[0]!);
    ok(granted.includes(again.stdout.trim()));
    equal(await server.stop("SIGTERM"), 0);
    equal((await Deno.readTextFile(leases)).match(/"ipv4"/g)?.length, CLIENTS_MAX);
  });
});

topic("e2e -mss-clamp", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const before = await hostState(lab.server);

  for (
    const [value, ipv4, ipv6] of [
      ["pmtu", "--clamp-mss-to-pmtu", "--clamp-mss-to-pmtu"],
      ["fixed:1200", "--set-mss 1200", "--set-mss 1180"],
      ["900", "--set-mss 900", "--set-mss 880"],
    ] as const
  ) {
    await scenario(`${value} is set for both families and gone afterwards`, async () => {
      const server = await startServer(lab, { args: [`-mss-clamp=${value}`] });
      for (const [program, how] of [["iptables", ipv4], ["ip6tables", ipv6]] as const) {
        const { stdout } = await lab.server.run(program, "-t", "mangle", "-S", "FORWARD");
        const rules = stdout.split("\n").filter((line) => line.includes("TCPMSS"));
        deepEqual(rules.map((rule) => /-([io]) fluxify-srv/.exec(rule)?.[1]).sort(), ["i", "o"]);
        ok(rules.every((rule) => rule.endsWith(`-j TCPMSS ${how}`)), stdout);
      }
      const client = await startClient(lab, bundle);
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
      equal(await server.stop("SIGTERM"), 0);
      equal(await hostState(lab.server), before);
    });
  }

  await scenario("off sets nothing; a crash leaves rules that the next start removes", async () => {
    await (await startServer(lab)).stop("SIGKILL");
    const server = await startServer(lab, { args: ["-mss-clamp", "off"] });
    const { stdout } = await lab.server.run("iptables-save");
    ok(!stdout.includes("TCPMSS"), stdout);
    equal(await server.stop("SIGTERM"), 0);
    equal(await hostState(lab.server), before);
  });
});

/** What two clients get, one after the other. */
async function addressesOf(
  first: ClientSite,
  firstBundle: string,
  second: ClientSite,
  secondBundle: string,
): Promise<[ipv4: string, ipv6: string][]> {
  const addresses: [string, string][] = [];
  for (const [site, bundle] of [[first, firstBundle], [second, secondBundle]] as const) {
    const client: Child = await startClient(site, bundle);
    addresses.push(await innerAddresses(client));
    equal(await client.stop("SIGINT"), 0);
  }
  return addresses;
}

/** From a machine without a tunnel, whose routes nobody changes meanwhile. */
function exchanges({ client }: ClientSite, ...bundles: string[]) {
  const options = { timeoutMs: 60_000, input: bundles.join("\n") };
  return client.runWith(options, ...EXCHANGES, SERVER_ADDRESS, "8443");
}

async function manyBundles(lab: Lab, count: number): Promise<string[]> {
  const directory = pkiDirectory(lab);
  const now = new Date();
  const pki = await openServerPki(directory, { hosts: [], regenerate: false, now });
  const bundles: string[] = [];
  for (let client = 0; client < count; client++) {
    await pki.issueClient(`client${client}`, now);
    bundles.push(join(directory, "clients", `client${client}.bundle`));
  }
  return bundles;
}
