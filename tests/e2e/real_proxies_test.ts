/** Proxies that people run, with their log-in, and several servers behind one. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { TemporaryDirectory } from "../../scripts/lab/temporary_directory.ts";
import {
  environment,
  newClientCertificate,
  program,
  spawnClient,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import {
  PROXY_KINDS,
  PROXY_PASSWORDS,
  PROXY_USER,
  type ProxyKind,
  startProxy,
} from "../daemons/http_proxy.ts";
import { needsProxies } from "../daemons/packages.ts";
import type { Child } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { SECOND_ADDRESS, SECOND_ADDRESS6, SecondServer } from "./second_server.ts";
import {
  createSmallLab,
  ending,
  FAR_ADDRESSES,
  LINKS,
  ping,
  pingAll,
  SERVER_INNER,
} from "./small_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
/** Of the router, as the servers' networks know it: every link leads there. */
const PROXY_ADDRESS = "203.0.113.1";
const PROXY_PORT = 3128;
const needs = await needsProxies();

topic("e2e transport: proxies that people run", async (scenario) => {
  await using cleanup = new AsyncDisposableStack();
  const lab = cleanup.use(await createSmallLab());
  const bundle = await newClientCertificate(lab, "laptop");
  const second = await SecondServer.create(lab, cleanup);
  let server = await startServer(lab);
  const before = await hostState(lab.client);
  // Nothing but the proxy leads to the servers.
  const chain = "{ type filter hook forward priority -10 ; }";
  await lab.router.run("nft", "add", "table", "inet", "trial");
  await lab.router.run("nft", "add", "chain", "inet", "trial", "forward", chain);
  for (
    const what of [
      `ip daddr { ${SERVER_ADDRESS}, ${SECOND_ADDRESS} }`,
      `ip6 daddr ${SECOND_ADDRESS6}`,
    ]
  ) {
    await lab.router.run(
      "nft",
      `add rule inet trial forward iifname { "one", "two" } ${what} drop`,
    );
  }
  const folder = cleanup.use(await TemporaryDirectory.create("proxy")).path;
  const start = (kind: ProxyKind) =>
    startProxy(lab.router, kind, {
      ...{ address: PROXY_ADDRESS, port: PROXY_PORT, controlPort: 8443 },
      directory: folder,
    });
  const file = async (password: string) => {
    const path = `${lab.directory}/proxy`;
    const secret = encodeURIComponent(password);
    await Deno.writeTextFile(
      path,
      `http://${PROXY_USER}:${secret}@${PROXY_ADDRESS}:${PROXY_PORT}\n`,
    );
    await Deno.chmod(path, 0o600);
    return `file:${path}`;
  };

  for (const kind of PROXY_KINDS) {
    await scenario(`${kind}: everything, with a user and a password`, async () => {
      const proxy = await start(kind);
      const client = await startClient(lab, bundle, {
        args: ["-proxy", await file(PROXY_PASSWORDS[kind]), "-kill-switch"],
      });
      for (const link of LINKS) await up(client, link);
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
      await proxy.stop("SIGKILL");
      deepEqual(await hostState(lab.client), before);
    });

    await scenario(`${kind}: a wrong password is said`, async () => {
      const proxy = await start(kind);
      const args = ["-once", "-proxy", await file("falsch")];
      const { exitCode, text } = await ending(spawnClient(lab, bundle, { args }));
      equal(exitCode, 1);
      match(text, /does not take the user and the password/);
      ok(!text.includes("falsch"));
      await proxy.stop("SIGKILL");
      deepEqual(await hostState(lab.client), before);
    });
  }

  await scenario("diag looks at the way through the proxy", async () => {
    const proxy = await start("squid");
    const diag = async (password: string) =>
      await ending(lab.client.spawn([
        ...[...program("client"), "diag", "-server", SERVER_ADDRESS, "-cert", bundle],
        ...["-ifaces", LINKS.join(","), "-proxy", await file(password)],
      ], environment(lab, "client")));
    const { text } = await diag(PROXY_PASSWORDS.squid);
    match(text, /TCP to the proxy[^]*one to 203\.0\.113\.1 port 3128/);
    match(text, /ok +session: 10\.8\.0\.\d+/);
    match(text, /ok +data inside TLS: 203\.0\.113\.10 takes it through the proxy/);
    match(text, /UDP: with -proxy everything goes inside TLS/);
    const wrong = await diag("falsch");
    equal(wrong.exitCode, 1);
    match(wrong.text, /does not take the user\s+and the password/);
    await proxy.stop("SIGKILL");
  });

  await scenario("-servers behind a proxy: the one in use is killed, and comes back", async () => {
    const proxy = await start("squid");
    const other = await second.start();
    const client = await startClient(lab, bundle, {
      servers: [SERVER_ADDRESS, SECOND_ADDRESS],
      args: [
        ...["-server-choice", "order", "-kill-switch"],
        ...["-proxy", await file(PROXY_PASSWORDS.squid)],
      ],
    });
    await client.waitForLine(new RegExp(`in use: server ${SERVER_ADDRESS}`), STATE_TIMEOUT_MS);
    await server.stop("SIGKILL");
    await client.waitForLine(new RegExp(`in use: server ${SECOND_ADDRESS}`), STATE_TIMEOUT_MS);
    await ping(lab.client, SERVER_INNER);
    const from = client.lineCount;
    server = await startServer(lab);
    await client.waitForLine(new RegExp(`in use: server ${SERVER_ADDRESS}`), 90_000, from);
    await ping(lab.client, SERVER_INNER);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
    equal(await other.stop("SIGINT"), 0);
    await proxy.stop("SIGKILL");
  });
  equal(await server.stop("SIGINT"), 0);
}, needs);

async function up(client: Child, link: string): Promise<void> {
  await client.waitForLine(new RegExp(`link ${link} \\(TLS\\): path is up`), STATE_TIMEOUT_MS);
}
