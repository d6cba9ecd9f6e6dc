/** `fluxify-client diag` on a machine with two links and a server, whole and with faults. */
import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import {
  type ClientSite,
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { needsRoot } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { createSmallLab, ending } from "./small_lab.ts";

interface Report {
  checks: { section: string; name: string; state: string; text: string; advice: string | null }[];
  recommendations: string[];
}

function diag(site: ClientSite, bundle: string, ...args: string[]) {
  return look("diag", site, bundle, ...args);
}

async function look(word: string, site: ClientSite, bundle: string, ...args: string[]) {
  const { client } = site;
  const command = [
    ...program("client"),
    word,
    ...["-server", SERVER_ADDRESS, "-ifaces", "one,two", "-cert", bundle],
    ...args,
  ];
  return await ending(client.spawn(command, environment(site, "client")));
}

Deno.test({
  name: "netns: diag finds a whole way, and says what is wrong with a broken one",
  ...needsRoot(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const server = await startServer(lab);

    const whole = await diag(lab, bundle);
    equal(whole.exitCode, 0, whole.text);
    for (const link of ["one", "two"]) {
      match(whole.text, new RegExp(`ok +${link} to ${SERVER_ADDRESS} port 8443: \\d+\\.\\d ms`));
      match(whole.text, new RegExp(`ok +${link} to ${SERVER_ADDRESS} port 8000: \\d+\\.\\d ms`));
      match(whole.text, new RegExp(`ok +${link}: 10\\.71\\.\\d\\.2, the link's own: no NAT`));
      match(whole.text, new RegExp(`ok +MTU over ${link}: 1400 bytes`));
    }
    match(whole.text, /ok +handshake: TLSv1\.3 TLS_\w+, both certificates accepted/);
    match(whole.text, /ok +revocation: the server says that the certificate is not revoked/);
    match(whole.text, /ok +chain, key and usage: laptop, issued by Fluxify CA, from /);
    match(whole.text, /, 0 failed, /);
    ok(!whole.text.includes("Rules and routes"));
    const told = server.tail(100);
    ok(!/warn|refused|failed/i.test(told), `no alarm on the server: ${told}`);

    const before = await hostState(lab.client);
    const loaded = await diag(lab, bundle, "--load");
    equal(loaded.exitCode, 0, loaded.text);
    for (const link of ["one", "two"]) {
      match(loaded.text, new RegExp(`${link}: .* ms idle, .* ms full: a queue of .* Mbit/s each`));
    }
    equal(await hostState(lab.client), before);

    // UDP does not pass over one of the links, as with some providers, and TCP does.
    await lab.client.run(
      ...["nft", "add table inet broken"],
    );
    await lab.client.run(
      "nft",
      "add chain inet broken out { type filter hook output priority 0; }",
    );
    await lab.client.run("nft", "add rule inet broken out oifname one udp dport 8000 drop");
    const file = join(lab.directory, "report.txt");
    const broken = await diag(lab, bundle, "--output", file);
    equal(broken.exitCode, 1);
    match(broken.text, /FAILED +one to 203\.0\.113\.10 port 8000: no answer[^]*open UDP 8000/);
    match(broken.text, /ok +two to 203\.0\.113\.10 port 8000/);
    const report = await Deno.readTextFile(file);
    match(report, /^# What is in this file: [^]*No keys/);
    match(report, /FAILED +one to/);
    match(report, /^Rules and routes\n +ip -4 rule show\n[^]* dev two/m);
    ok(!report.includes("PRIVATE KEY"));
    equal((await Deno.stat(file)).mode! & 0o777, 0o600);

    server.signal("SIGTERM");
    await server.ended;
    const dead = await diag(lab, bundle, "--json");
    equal(dead.exitCode, 1);
    const { checks, recommendations } = JSON.parse(
      dead.text.split("\n").find((line) => line.includes('{"contents"'))!.replace(/^[^{]*/, ""),
    ) as Report;
    match(dead.text, /"contents":"What is in this file: [^"]*No keys/);
    const failed = checks.filter(({ state }) => state === "failed");
    ok(failed.some(({ section, name }) => section.startsWith("TCP") && name.startsWith("one to")));
    ok(recommendations.some((line) => line.includes("open TCP 8443")), dead.text);
  },
});

Deno.test({
  name: "netns: diag tells the kind of NAT of each link, and which are behind the same",
  ...needsRoot(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    await startServer(lab);
    const second = "203.0.113.11";
    await lab.server.run("ip", "address", "add", `${second}/24`, "dev", "wan");
    const natted = async (nat: string, ...args: string[]) => await nattedLook("diag", nat, ...args);
    const nattedLook = async (command: "diag" | "netcheck", nat: string, ...args: string[]) => {
      await lab.router.run("nft", "add table ip behind");
      const hook = "{ type nat hook postrouting priority srcnat; }";
      await lab.router.run("nft", `add chain ip behind out ${hook}`);
      await lab.router.run("nft", `add rule ip behind out ip saddr 10.71.0.0/16 ${nat}`);
      const { text } = await look(command, lab, bundle, ...args);
      await lab.router.run("nft", "delete", "table", "ip", "behind");
      return text;
    };

    const kept = await natted("masquerade");
    for (const link of ["one", "two"]) {
      match(kept, new RegExp(`ok +${link}: [\\d.]+, behind a NAT, which shows port \\d+`));
      match(
        kept,
        new RegExp(
          `ok +NAT of ${link}: endpoint-independent mapping, as far as one address of the server ` +
            `tells, port preservation`,
        ),
      );
    }
    match(kept, /warning +one and two: all are seen as [\d.]+: they share/);

    const both = await natted("masquerade", "-server", `${SERVER_ADDRESS},${second}`);
    match(both, /NAT of one: endpoint-independent mapping, the same for 2 addresses of the server/);

    const random = await natted("masquerade random");
    match(random, /NAT of two: address and port-dependent mapping \(a symmetric NAT\)/);

    const inShort = await nattedLook("netcheck", "masquerade", "-rate");
    match(
      inShort,
      /^one +yes .* Mbit\/s +[\d.]+:\d+ \(NAT\) +endpoint-independent mapping, .*ion$/m,
    );

    await lab.server.run("nft", "add table inet closed");
    await lab.server.run("nft", "add chain inet closed in { type filter hook input priority 0; }");
    await lab.server.run("nft", "add rule inet closed in udp dport 8443 drop");
    const closed = await natted("masquerade");
    match(closed, /left out +NAT of one: kind not known: UDP 8443 of the server did not answer/);
    match(closed, /- let UDP 8443 through to the server to be told the kind of NAT/);
  },
});

Deno.test({
  name: "netns: diag and the restore after it tell what a killed client left in force",
  ...needsRoot(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const before = await hostState(lab.client);
    await startServer(lab);
    const client = await startClient(lab, bundle, { args: ["-kill-switch"] });
    await client.stop("SIGKILL");

    const left = await diag(lab, bundle);
    equal(left.exitCode, 0, left.text);
    match(left.text, /warning +earlier runs: fluxify-client \(process \d+\) is gone, and still in/);
    match(left.text, /in force are the kill switch, \d+ routes, /);
    match(left.text, /- sudo fluxify-client restore/);

    const command = [...program("client"), "restore", "-v"];
    const restored = await ending(lab.client.spawn(command, environment(lab, "client")));
    equal(restored.exitCode, 0, restored.text);
    match(restored.text, /undid route: 0\.0\.0\.0\/1 dev fluxify/);
    match(
      restored.text,
      /undid \d+ changes left by .*, which is gone: the kill switch, \d+ routes/,
    );
    equal(await hostState(lab.client), before);

    const well = await diag(lab, bundle);
    equal(well.exitCode, 0, well.text);
    match(well.text, /ok +earlier runs: none was killed and left anything behind/);
  },
});

Deno.test({
  name: "netns: netcheck tells what each link is worth, also where a client runs",
  ...needsRoot(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const server = await startServer(lab);
    const netcheck = (...args: string[]) => look("netcheck", lab, bundle, ...args);
    const before = await hostState(lab.client);

    const filled = await netcheck("-rate");
    equal(filled.exitCode, 0, filled.text);
    for (const [index, link] of ["one", "two"].entries()) {
      const seen = `10\\.71\\.${index + 1}\\.2:\\d+`;
      match(
        filled.text,
        new RegExp(`^${link} +yes +[\\d.]+ ms +1400 +[\\d.]+ Mbit/s +${seen} *$`, "m"),
      );
    }
    equal(await hostState(lab.client), before);

    const client = await startClient(lab, bundle);
    const running = await netcheck("-json");
    equal(running.exitCode, 0, running.text);
    const { links } = JSON.parse(running.text) as { links: Record<string, unknown>[] };
    equal(links.length, 2);
    for (const link of links) {
      ok(link.isReachable === true && link.isBehindNat === false, running.text);
      ok(Number(link.rttMs) < 1000 && String(link.externalAddress).startsWith("10.71."));
    }
    const refused = await netcheck("-rate");
    equal(refused.exitCode, 1);
    match(refused.text, /Cannot fill the links: a client runs.*; stop it first/);
    equal(await client.stop("SIGTERM"), 0);

    await lab.client.run("ip", "link", "set", "two", "down");
    const half = await netcheck();
    equal(half.exitCode, 1);
    match(half.text, /^one +yes /m);
    match(half.text, /^two +no +- +- +- +- +is down/m);
    equal(await server.stop("SIGTERM"), 0);
    const dead = await netcheck();
    equal(dead.exitCode, 1);
    match(dead.text, /^fluxify-client: Cannot connect to .*: nothing listens there/m);
  },
});
