import { equal, match, ok } from "node:assert/strict";
import {
  newClientCertificate,
  spawnServer,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

const LINE_TIMEOUT_MS = 15_000;
const LISTEN_ATTEMPTS_MAX = 1000;

topic("e2e start of the server", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const before = await hostState(lab.server);

  await scenario("no client is let in before its packets are masqueraded", async () => {
    // Connections tracked before the rule is there would go out with the inner address for ever.
    const server = spawnServer(lab);
    let attempts = 0;
    while ((await lab.server.run("ss", "-H", "-l", "-t", "-n", "sport = 8443")).stdout === "") {
      ok(attempts++ < LISTEN_ATTEMPTS_MAX, "the server never listened");
    }
    const { stdout } = await lab.server.run("iptables", "-t", "nat", "-S", "POSTROUTING");
    await server.waitForLine(/fluxify-server is ready/, LINE_TIMEOUT_MS);
    await server.stop("SIGKILL");
    match(stdout, /-s 10\.8\.0\.0\/24 ! -o fluxify-srv .* MASQUERADE/);
  });

  await scenario("a hang-up during the start is not lost", async () => {
    const server = spawnServer(lab);
    await server.waitForLine(/undid \d+ changes left by/, LINE_TIMEOUT_MS);
    server.signal("SIGHUP");
    await server.waitForLine(/reloaded: authority unchanged/, LINE_TIMEOUT_MS);
    await server.stop("SIGKILL");
  });

  await scenario("a stop during the start takes everything back", async () => {
    const server = spawnServer(lab);
    await server.waitForLine(/undid \d+ changes left by/, LINE_TIMEOUT_MS);
    equal(await server.stop("SIGTERM"), 0);
    equal(await hostState(lab.server), before);
  });

  await scenario(
    "what another program has changed meanwhile stays, and the server says so",
    async () => {
      const server = await startServer(lab);
      const set = (value: string) =>
        lab.server.run("sysctl", "-q", "-w", `net.ipv6.conf.all.forwarding=${value}`);
      const forwarding = await lab.server.run("sysctl", "-n", "net.ipv6.conf.all.forwarding");
      equal(forwarding.stdout.trim(), "1");
      await set("2");
      equal(await server.stop("SIGTERM"), 0);
      await server.waitForLine(/left net\/ipv6\/conf\/all\/forwarding at 2: it was changed/, 1000);
      await set("0");
      equal(await hostState(lab.server), before);
    },
  );

  await scenario("clients use the UDP port that a router forwards", async () => {
    await using undo = new AsyncDisposableStack();
    for (
      const rule of [
        ["-t", "raw", "PREROUTING", "-p", "udp", "--dport", "8000", "-j", "DROP"],
        ["-t", "nat", "PREROUTING", "-p", "udp", "--dport", "8123", "-j", "DNAT", "--to", ":8000"],
      ]
    ) {
      const [, table, ...rest] = rule;
      const change = (action: string) =>
        lab.router.run("iptables", "-w", "-t", table!, action, ...rest);
      await change("-A");
      undo.defer(() => change("-D").then(() => {}));
    }
    const server = await startServer(lab, { args: ["-public-port", "8123"] });
    await server.waitForLine(/UDP 8123, which has to be forwarded to 8000/, LINE_TIMEOUT_MS);
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGINT"), 0);
  });

  await scenario("a second server says what to do, and leaves the first one alone", async () => {
    const server = await startServer(lab);
    const client = await startClient(lab, bundle);
    const during = await hostState(lab.server);
    for (
      const [args, message] of [
        [[], /UDP port 8000: EADDRINUSE.*; another program uses it: stop that one, or .* -port/],
        [["-port", "8001", "-ctrl", "8444"], /fluxify-srv.*stop/],
      ] as const
    ) {
      const { exitCode, text } = await ending(spawnServer(lab, { args }));
      equal(exitCode, 1);
      match(text, message);
      equal(await hostState(lab.server), during);
    }
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGTERM"), 0);
    equal(await hostState(lab.server), before);
  });
});
