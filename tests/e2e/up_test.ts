/** `up` and `run`: the saved settings, in the background, until `down`. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startServer,
} from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { cert, createSmallLab, type Ending, ending, pingAll, SERVER_INNER } from "./small_lab.ts";

/** That of the tests, whatever home the program is given. */
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

topic("e2e up and down", async (scenario) => {
  await using lab = await createSmallLab();
  const home = join(lab.directory, "home");
  await Deno.mkdir(join(home, ".fluxify"), { recursive: true });
  const place = environment(lab, "client", { HOME: home, DENO_DIR, SUDO_USER: "" });
  const client = (...words: string[]): Promise<Ending> =>
    ending(lab.client.spawn([...program("client"), ...words], place));
  const save = (name: string, settings: Record<string, unknown>) =>
    Deno.writeTextFile(join(home, ".fluxify", name), JSON.stringify({ version: 1, ...settings }));
  const before = await hostState(lab.client);
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const settings = {
    ...{ mode: "bonding", server: SERVER_ADDRESS, ifaces: ["one", "two"], cert: bundle },
    ui: true,
  };

  await scenario("without settings, or with half of them, it says what to do", async () => {
    const none = await client("up");
    equal(none.exitCode, 2);
    match(none.text, /no saved settings in .*config\.json or \/etc\/fluxify\/client\.json: 'sudo /);
    await save("config.json", { server: SERVER_ADDRESS });
    const half = await client("up");
    equal(half.exitCode, 2);
    match(half.text, /config\.json does not say "mode"/);
    await save("config.json", { mode: "bonding" });
    const noServer = await client("up");
    equal(noServer.exitCode, 2);
    match(noServer.text, /-b needs -server HOST.* \(.*config\.json\)/);
    const wrong = await client("up", "-settings", "/proc/none");
    equal(wrong.exitCode, 2);
    match(wrong.text, /no saved settings in \/proc\/none/);
    match((await client("-b", "up")).text, /-b means nothing before 'up'/);
  });

  await scenario("up returns when traffic flows, and the client outlives it", async () => {
    await save("config.json", settings);
    const { exitCode, text } = await client("up");
    equal(exitCode, 0, text);
    match(
      text,
      /^up, in the background, process \d+, with .*: 10\.8\.0\.2 and \S+ over one, two to /,
    );
    await pingAll(lab.client, [SERVER_INNER]);
    const status = JSON.parse((await client("status", "-json")).text);
    deepEqual([status.phase, status.mode], ["up", "bonding"]);
    const again = await client("up");
    equal(again.exitCode, 0);
    match(again.text, /^it runs already: 10\.8\.0\.2/);
  });

  await scenario("a named instance has settings, device and socket of its own", async () => {
    const own = await newClientCertificate(lab, "phone");
    await save("config-home.json", { ...settings, cert: own });
    const { exitCode, text } = await client("up", "-name", "home");
    equal(exitCode, 0, text);
    ok((await lab.client.run("ip", "link", "show", "home")).stdout.includes("home"));
    equal((await client("down", "-name", "home")).exitCode, 0);
    await pingAll(lab.client, [SERVER_INNER]);
  });

  await scenario("down ends it, and all is as before", async () => {
    const { exitCode, text } = await client("down");
    equal(exitCode, 0, text);
    deepEqual(await hostState(lab.client), before);
    equal((await client("down")).exitCode, 3);
  });

  await scenario(
    "of two that start it at once one does, and the other waits for that",
    async () => {
      const both = await Promise.all([client("up"), client("up")]);
      const said = both.map(({ text }) => text).sort().join("\n");
      deepEqual(both.map(({ exitCode }) => exitCode), [0, 0], said);
      match(said, /^up, in the background, process \d+, with .*: 10\.8\.0\.2/m);
      match(said, /^(up, it was being started already|it runs already): 10\.8\.0\.2/m);
      equal((await client("down")).exitCode, 0);
      deepEqual(await hostState(lab.client), before);
    },
  );

  await scenario("a client that cannot start is told of with its own words", async () => {
    await cert(lab, "revoke", "laptop");
    const { exitCode, text } = await client("up");
    equal(exitCode, 1);
    match(text, /^fluxify-client: it did not start: .*revoked/m);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario(
    "run stays in the foreground, and tells its service manager how it is",
    async () => {
      const own = await newClientCertificate(lab, "desk");
      await save("config.json", { ...settings, cert: own, "kill-switch": true });
      await using manager = new TestManager(join(lab.directory, "notify"));
      const running = lab.client.spawn([...program("client"), "run", "-log-json"], {
        ...place,
        env: { ...place.env, NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "1000000" },
      });
      await running.waitForLine(/"message":"fluxify-client is up: 10\.8\.0\./, 30_000);
      await manager.toldOf("READY=1\nSTATUS=connecting to 203.0.113.10");
      await manager.toldOf("WATCHDOG=1");
      await running.stop("SIGKILL");
    },
  );

  await scenario("what it left goes, and its kill switch stays for the next start", async () => {
    const tables = async () => (await lab.client.run("nft", "list", "tables")).stdout;
    const { exitCode, text } = await client("restore", "-keep-kill-switch");
    equal(exitCode, 0, text);
    match(
      text,
      /^left \d+ changes? by fluxify-client \(process \d+\) in place, as they outlive it/m,
    );
    match(await tables(), /fluxify_kill_switch/);
    equal((await lab.client.run("ip", "-4", "route", "show", "proto", "77")).stdout, "");
    const running = lab.client.spawn([...program("client"), "run"], place);
    await running.waitForLine(/fluxify-client is up/, 30_000);
    await pingAll(lab.client, [SERVER_INNER]);
    equal(await running.stop("SIGTERM"), 0);
    ok(!/fluxify_kill_switch/.test(await tables()));
    deepEqual(await hostState(lab.client), before);
  });
  equal(await server.stop("SIGTERM"), 0);
});

/** Takes what a program tells its service manager. */
class TestManager implements AsyncDisposable {
  readonly #socket: Deno.DatagramConn;
  readonly #told: string[] = [];

  constructor(readonly path: string) {
    this.#socket = Deno.listenDatagram({ transport: "unixpacket", path });
  }

  async toldOf(text: string): Promise<void> {
    while (!this.#told.includes(text)) {
      const [bytes] = await this.#socket.receive();
      this.#told.push(new TextDecoder().decode(bytes));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    return Deno.remove(this.path);
  }
}
