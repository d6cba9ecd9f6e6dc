import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { type Lab, SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  pkiDirectory,
  program,
  spawnClient,
  spawnServer,
  startServer,
} from "../../scripts/lab/programs.ts";
import { makeForeignTree, makeKey } from "../../testing/pki/openssl.ts";
import { asNobody, holdPort, withoutTun } from "./hindrance.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { addSite, createSmallLab, type Ending, ending, SERVER_ADDRESS } from "./small_lab.ts";

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

topic("e2e refusals of the server", async (scenario) => {
  await using lab = await createSmallLab();
  await newClientCertificate(lab, "laptop");
  const before = await hostState(lab.server);
  const refusal = (...args: string[]) => ending(spawnServer(lab, { args }));

  await scenario("without root", async () => {
    refused(await ending(asNobody(lab, lab.server, "server")), /must be root.*run with sudo$/m);
  });

  await scenario("without /dev/net/tun", async () => {
    const command = [...program("server"), "-pki", pkiDirectory(lab)];
    refused(
      await withoutTun(lab, lab.server, "server", command),
      /\/dev\/net\/tun is missing; run 'modprobe tun'/,
    );
  });

  await scenario("an interface that is not there", async () => {
    refused(await refusal("-uplink", "nosuch"), /nosuch.*(wan|interfaces)/);
  });

  await scenario("its UDP port is in use", async () => {
    await using _holder = await holdPort(lab.server, "udp", 8000);
    refused(await refusal(), /UDP port 8000.*another program uses it.*-port/);
  });

  await scenario("its TCP control port is in use", async () => {
    await using _holder = await holdPort(lab.server, "tcp", 8443);
    refused(await refusal(), /TCP port 8443.*another program uses it.*another port/);
  });

  await scenario("another server runs already", async () => {
    const first = await startServer(lab);
    refused(await refusal("-port", "8001", "-ctrl", "8444"), /fluxify-srv/);
    equal(await first.stop("SIGINT"), 0);
  });

  await scenario("an authority that cannot be read", async () => {
    const pki = await copyOf(lab, "damaged");
    await Deno.writeTextFile(join(pki, "ca.pem"), "not a certificate");
    refused(await refusal("-pki", pki), /damaged\/ca\.pem/);
    await Deno.remove(join(pki, "ca.pem"));
    await Deno.mkdir(join(pki, "ca.pem"));
    refused(await refusal("-pki", pki), /damaged\/ca\.pem/);
  });

  await scenario("a key of another certificate", async () => {
    const pki = await copyOf(lab, "mismatched");
    await makeKey("EC P-256", join(pki, "server-key.pem"));
    refused(await refusal("-pki", pki), /server-key\.pem.*(not|match)/);
  });

  await scenario("nothing of all this has changed the machine", async () => {
    deepEqual(await hostState(lab.server), before);
  });
});

topic("e2e refusals of the client", async (scenario) => {
  await using lab = await createSmallLab();
  await using cleanup = new AsyncDisposableStack();
  const tablet = await addSite(lab, cleanup, "tablet");
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab);
  const before = await hostState(lab.client);
  // These take as long as the client's patience, so they run beside the others.
  const blocked = Promise.all(
    BLOCKED.map((block, index) => tryBlocked(lab, cleanup, bundle, block, index + 2)),
  );
  blocked.catch(() => {}); // awaited at the end
  let otherBundle = "";
  const refusal = (certificate: string, ...args: string[]) =>
    ending(spawnClient(lab, certificate, { args: ["-once", ...args] }));

  await scenario("without root", async () => {
    const why = await ending(asNobody(lab, lab.client, "client"));
    refused(why, /must be root.*run with sudo$/m);
  });

  await scenario("without /dev/net/tun", async () => {
    const command = [...program("client"), "-b", "-server", SERVER_ADDRESS, "-cert", bundle];
    refused(
      await withoutTun(lab, lab.client, "client", command),
      /\/dev\/net\/tun is missing; run 'modprobe tun'/,
    );
  });

  await scenario("fewer than two interfaces", async () => {
    const named = await refusal(bundle, "-ifaces", "one");
    refused(named, /at least two interfaces.*only 'one'/, EXIT_USAGE);
    await tablet.client.run("ip", "link", "del", "tablet2");
    const command = [...program("client"), "-b", "-server", SERVER_ADDRESS, "-cert", bundle];
    const found = await ending(tablet.client.spawn(command, environment(tablet, "client")));
    refused(found, /at least two interfaces, and this machine has: tablet1; plug one in.*-ifaces/);
  });

  await scenario("no link that works, and one attempt only", async () => {
    await tablet.client.run("ip", "link", "set", "tablet1", "down");
    const why = await ending(spawnClient(tablet, bundle, { args: ["-once"] }));
    refused(why, /over any link: tablet1 is down, tablet2 is not there/);
  });

  await scenario("a bundle that cannot be read", async () => {
    refused(await refusal(join(lab.directory, "none.bundle")), /none\.bundle/);
    refused(await refusal(lab.directory), /directory|folder/);
    const half = await changedBundle(lab, bundle, "half", (text) => text.slice(0, text.length / 2));
    refused(await refusal(half), /half\.bundle/);
  });

  await scenario("a bundle with another key", async () => {
    const key = join(lab.directory, "other-key.pem");
    await makeKey("EC P-256", key);
    const other = await Deno.readTextFile(key);
    const mixed = await changedBundle(lab, bundle, "mixed", (text) => {
      return text.replace(
        /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?-----END [A-Z ]*PRIVATE KEY-----\n/,
        other,
      );
    });
    refused(await refusal(mixed), /mixed\.bundle.*is not its key/);
  });

  await scenario("a bundle of another server", async () => {
    otherBundle = await bundleOfAnotherServer(lab);
    refused(
      await refusal(otherBundle),
      /is not of the authority in this client's bundle.*get a bundle/,
    );
  });

  await scenario("a certificate the server did not issue", async () => {
    const other = await Deno.readTextFile(otherBundle);
    const ca = await Deno.readTextFile(join(pkiDirectory(lab), "ca.pem"));
    const forged = join(lab.directory, "forged.bundle");
    await Deno.writeTextFile(forged, other + ca, { mode: 0o600 });
    const why = await refusal(forged);
    refused(why, /does not accept the certificate of this client.*get a new bundle/);
  });

  await scenario("an expired certificate", async () => {
    const directory = join(lab.directory, "expired");
    await Deno.mkdir(directory);
    const tree = await makeForeignTree(directory, { kind: "EC P-256" });
    await tree.issueClient("late", "EC P-256", -1);
    const why = await refusal(join(directory, "clients", "late.pem"));
    refused(why, /late\.pem.*expired.*cert new late/);
  });

  await scenario("a server name that is not in its certificate", async () => {
    const why = await refusal(bundle, "-server", SERVER_ADDRESS6);
    refused(why, /certificate is for .*203\.0\.113\.10.*, not for 2001:db8:113::10/);
  });

  await scenario("nothing listens at the server's port", async () => {
    const why = await refusal(bundle, "-ctrl", "9999");
    refused(why, /Cannot connect to 203\.0\.113\.10:9999: nothing listens there/);
  });

  await scenario("the server is out of reach, or its UDP port blocked", async (measure) => {
    for (const { what, seconds, sentence, ended, isAsBefore } of await blocked) {
      measure(`${what}: ended after`, seconds, "s");
      refused(ended, sentence);
      ok(isAsBefore, `${what}: the machine has changed`);
    }
  });

  await scenario("nothing of all this has changed the machine", async () => {
    deepEqual(await hostState(lab.client), before);
  });
});

/** What a firewall between client and server drops, and what the client says about it. */
const BLOCKED = [
  {
    what: "server",
    packets: ["-p", "tcp"],
    sentence: /No answer from 203\.0\.113\.10:8443 within.*firewalls let TCP port 8443/,
  },
  {
    what: "port",
    packets: ["-p", "udp", "--dport", "8000"],
    sentence: /Cannot reach UDP port 8000 of 203\.0\.113\.10.*open the port in its firewall/,
  },
];

async function tryBlocked(
  lab: Lab,
  cleanup: AsyncDisposableStack,
  bundle: string,
  { what, packets, sentence }: typeof BLOCKED[number],
  number: number,
) {
  const site = await addSite(lab, cleanup, what, number);
  const drop = ["-A", "FORWARD", "-i", `${what}+`, "-o", "server", ...packets, "-j", "DROP"];
  await lab.router.run("iptables", "-w", ...drop);
  const before = await hostState(site.client);
  const startMs = performance.now();
  const args = ["-once", "-transport", "udp"];
  const ended = await ending(spawnClient(site, bundle, { args }));
  const seconds = (performance.now() - startMs) / 1000;
  return { what, seconds, sentence, ended, isAsBefore: await hostState(site.client) === before };
}

/** One sentence, one line, the promised exit code. */
function refused({ exitCode, text }: Ending, sentence: RegExp, code = EXIT_FAILURE): void {
  match(text, sentence);
  equal(exitCode, code, text);
}

/** A copy of the server's authority, to be damaged. */
async function copyOf(lab: Lab, name: string): Promise<string> {
  const path = join(lab.directory, name);
  await lab.server.run("cp", "-r", pkiDirectory(lab), path);
  return path;
}

async function changedBundle(
  lab: Lab,
  bundle: string,
  name: string,
  change: (text: string) => string,
): Promise<string> {
  const path = join(lab.directory, `${name}.bundle`);
  await Deno.writeTextFile(path, change(await Deno.readTextFile(bundle)), { mode: 0o600 });
  return path;
}

/** Made with an authority of its own, in another folder of the lab. */
async function bundleOfAnotherServer(lab: Lab): Promise<string> {
  const pki = join(lab.directory, "elsewhere");
  for (const words of [["init"], ["new", "laptop"]]) {
    const command = [...program("server"), "cert", ...words, "-pki", pki];
    await lab.server.runWith(environment(lab, "server"), ...command);
  }
  return join(pki, "clients", "laptop.bundle");
}
