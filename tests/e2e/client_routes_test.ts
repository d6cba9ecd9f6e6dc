/**
 * A network behind a client that is routed to it without NAT:
 *
 *   behind 192.168.55.2 --- lan, client ==tunnel== server, office 10.61.0.1 --- office 10.61.0.2
 */
import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { connect, Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, type Ending, ending, SERVER_INNER } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
const ROUTES = "192.168.55.0/24,fd55::/64";
const BEHIND = ["192.168.55.2", "fd55::2"];
const OFFICE = ["10.61.0.2", "fd61::2"];

topic("e2e networks routed to a client", async (scenario) => {
  await using lab = await createSmallLab();
  await using behind = await Namespace.create("behind");
  await using office = await Namespace.create("office");
  await connect(lab.client, behind, {
    a: { name: "lan", addresses: ["192.168.55.1/24", "fd55::1/64"] },
    b: { name: "eth0", addresses: BEHIND.map((address) => `${address}${lengthOf(address)}`) },
  });
  await connect(lab.server, office, {
    a: { name: "office", addresses: ["10.61.0.1/24", "fd61::1/64"] },
    b: { name: "eth0", addresses: OFFICE.map((address) => `${address}${lengthOf(address)}`) },
  });
  for (
    const [host, gateways] of [
      [behind, ["192.168.55.1", "fd55::1"]],
      [office, ["10.61.0.1", "fd61::1"]],
    ] as const
  ) {
    for (const gateway of gateways) await host.run("ip", "route", "add", "default", "via", gateway);
  }
  const bundle = await newClientCertificate(lab, "laptop");
  const settings = (...args: string[]): Promise<Ending> => {
    const command = [...program("server"), "client", ...args, "-pki", join(lab.directory, "pki")];
    return ending(lab.server.spawn(command, environment(lab, "server")));
  };
  const answers = async (from: Namespace, address: string, patience: "1" | "20") => {
    const ping = ["ping", "-c1", "-i0.2", `-w${patience}`, address];
    return await from.runWith({ timeoutMs: STATE_TIMEOUT_MS }, ...ping).then(
      () => true,
      () => false,
    );
  };

  for (const engine of ["native", "portable"]) {
    const server = await startServer(lab, { args: ["-engine", engine] });
    const client = await startClient(lab, bundle, { args: ["-share", "lan"] });

    await scenario(`is reached, and reaches, by its own addresses (${engine})`, async () => {
      // Masqueraded, it gets an answer, and nobody gets at it.
      for (const address of OFFICE) equal(await answers(behind, address, "20"), true, address);
      for (const address of BEHIND) equal(await answers(office, address, "1"), false, address);
      const { exitCode, text } = await settings("set", "laptop", "-routes", ROUTES);
      equal(exitCode, 0, text);
      await client.waitForLine(/connected again/, STATE_TIMEOUT_MS);
      for (const address of OFFICE) equal(await answers(behind, address, "20"), true, address);
      for (const address of BEHIND) equal(await answers(office, address, "20"), true, address);
      // It comes with its own address: who drops that one hears no more of it.
      const drop = ["INPUT", "-s", BEHIND[0]!, "-j", "DROP"];
      await office.run("iptables", "-A", ...drop);
      equal(await answers(behind, OFFICE[0]!, "1"), false);
      await office.run("iptables", "-D", ...drop);
    });

    await scenario(`what the tunnel or the machine has is refused (${engine})`, async () => {
      for (
        const [prefix, device] of [["10.8.0.128/25", "fluxify-srv"], ["10.61.0.0/16", "office"]]
      ) {
        const { exitCode, text } = await settings("set", "laptop", "-routes", prefix!);
        equal(exitCode, 1);
        match(text, new RegExp(`cannot be behind laptop: ${device} of this machine has`));
      }
    });

    await scenario(`leads there no longer, and leaves nothing (${engine})`, async () => {
      const said = { server: server.lineCount, client: client.lineCount };
      await settings("unset", "laptop", "routes");
      const ended = /the networks behind it are other ones/;
      await server.waitForLine(ended, STATE_TIMEOUT_MS, said.server);
      await client.waitForLine(/connected again/, STATE_TIMEOUT_MS, said.client);
      for (const address of OFFICE) equal(await answers(behind, address, "20"), true, address);
      for (const address of BEHIND) equal(await answers(office, address, "1"), false, address);
      const { stdout } = await lab.server.run("ip", "route", "show", "table", "all");
      equal(stdout.includes("192.168.55"), false, stdout);
    });
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGINT"), 0);
  }

  await scenario("a network behind a client may be the one that it connects from", async () => {
    const server = await startServer(lab);
    const client = await startClient(lab, bundle);
    const { exitCode, text } = await settings("set", "laptop", "-routes", "10.71.0.0/16");
    equal(exitCode, 0, text);
    await client.waitForLine(/connected again/, STATE_TIMEOUT_MS);
    equal(await answers(lab.client, SERVER_INNER, "20"), true);
    // After a start the server has the routes before it knows where anybody connects from.
    equal(await server.stop("SIGINT"), 0);
    const from = client.lineCount;
    const again = await startServer(lab);
    await client.waitForLine(/connected again/, STATE_TIMEOUT_MS, from);
    equal(await answers(lab.client, SERVER_INNER, "20"), true);
    await settings("unset", "laptop", "routes");
    equal(await client.stop("SIGINT"), 0);
    equal(await again.stop("SIGINT"), 0);
  });

  await scenario("with -share all leave with the client's address but what is routed", async () => {
    const server = await startServer(lab);
    const client = await startClient(lab, bundle, { args: ["-share", "lan"] });
    for (const address of OFFICE) equal(await answers(behind, address, "20"), true, address);
    const { exitCode, text } = await settings("set", "laptop", "-routes", "192.168.55.0/24");
    equal(exitCode, 0, text);
    await client.waitForLine(/connected again/, STATE_TIMEOUT_MS);
    for (const address of OFFICE) equal(await answers(behind, address, "20"), true, address);
    // Whom the office hears: the host behind by IPv4, the client by IPv6.
    for (
      const [tables, source, isHeard] of [
        ["iptables", BEHIND[0]!, false],
        ["ip6tables", BEHIND[1]!, true],
      ] as const
    ) {
      const drop = ["INPUT", "-s", source, "-j", "DROP"];
      await office.run(tables, "-A", ...drop);
      const [ipv4, ipv6] = OFFICE;
      equal(await answers(behind, tables === "iptables" ? ipv4! : ipv6!, "1"), isHeard, source);
      await office.run(tables, "-D", ...drop);
    }
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGINT"), 0);
  });
});

function lengthOf(address: string): string {
  return address.includes(":") ? "/64" : "/24";
}
