/** A server and a client, each a machine of Debian, that a person sets up from the package. */
import { basename, join } from "node:path";
import { answerSetup } from "../../testing/setup_answers.ts";
import { Tmux } from "../../testing/tmux.ts";
import { INTERNET_ADDRESS, Lab, SERVER_ADDRESS } from "../lab/lab.ts";
import { Machine, until } from "./machine.ts";
import type { StepList } from "./steps.ts";

interface Debs {
  readonly first: string;
  /** Of a later version. */
  readonly next: string;
}

const SERVER_UNIT = "fluxify-server.service";
const CLIENT_UNIT = "fluxify-client.service";
const SERVER_PAGE = { unit: "fluxify-server-web.service", port: 8079 };
const CLIENT_PAGE = { unit: "fluxify-client-web.service", port: 8078 };
const PAGE_USER = "fluxify-page";
const BUNDLE = "etc/fluxify/pki/clients/laptop.bundle";
/** That of the loop which carries the packets. */
const ENGINE_THREAD = "worker-1";
const STOP_THREAD = new URL("./stop_thread.ts", import.meta.url).pathname;
const WATCHDOG = "[Service]\nWatchdogSec=4\nRestartSec=1\n";

function need(isTrue: boolean, text: string): void {
  if (!isTrue) throw new Error(text);
}

async function isActive(machine: Machine, unit: string): Promise<true | null> {
  return (await machine.run("systemctl", "is-active", unit)).text.trim() === "active" ? true : null;
}

/** Through the tunnel, as nothing else leads there. */
async function carries(client: Machine): Promise<true | null> {
  const { code } = await client.run("ping", "-c1", "-W1", INTERNET_ADDRESS);
  return code === 0 ? true : null;
}

/** What a client has inside the tunnel. */
async function innerAddress(client: Machine): Promise<string> {
  const text = await client.must("fluxify-client", "status", "-json");
  return JSON.parse(text).bond.addresses;
}

/** Routes, rules and tables of the machine that have to do with us. */
async function traces(machine: Machine): Promise<string> {
  const text: string[] = [];
  for (
    const argv of [
      ...["-4", "-6"].flatMap((family) => [
        ["ip", family, "route", "show", "table", "all", "proto", "77"],
        ["ip", family, "rule", "show"],
      ]),
      ["nft", "list", "tables"],
      ["ip", "-br", "link"],
    ]
  ) text.push((await machine.run(...argv)).text);
  return text.join("");
}

async function setUpServer(server: Machine): Promise<void> {
  await using terminal = await Tmux.run([...server.within, "fluxify-server", "setup"], {
    columns: 120,
    rows: 50,
  });
  await terminal.waitFor(/Names and addresses clients reach/);
  await terminal.press("C-u");
  await terminal.type(SERVER_ADDRESS);
  await terminal.press("Enter");
  for (const question of [/UDP port for data/, /TCP port for control/]) {
    await terminal.waitFor(question);
    await terminal.press("Enter");
  }
  await terminal.waitFor(/Name of the first client/);
  await terminal.type("laptop");
  await terminal.press("Enter");
  await terminal.waitFor(/as a service\?/);
  await terminal.press("Enter");
  const end = await terminal.waitFor(/exit \d/);
  need(/exit 0/.test(end) && end.includes(`${SERVER_UNIT} runs`), end);
}

async function setUpClient(client: Machine): Promise<void> {
  await using terminal = await Tmux.run([...client.within, "fluxify-client", "setup"], {
    columns: 120,
    rows: 50,
  });
  await answerSetup(terminal, SERVER_ADDRESS, "/root/laptop.bundle");
  await terminal.press("Enter");
  await terminal.waitFor(/as a service\?/);
  await terminal.press("Enter");
  const end = await terminal.waitFor(/exit \d/);
  need(/exit 0/.test(end) && /up, as fluxify-client\.service: 10\.8\.0\./.test(end), end);
}

/** Stops the engine's thread of the unit's program until systemd has ended it. */
async function hang(machine: Machine, unit: string): Promise<void> {
  const folder = `etc/systemd/system/${unit}.d`;
  await Deno.mkdir(join(machine.root, folder), { recursive: true });
  await Deno.writeTextFile(join(machine.root, folder, "watchdog.conf"), WATCHDOG);
  await machine.must("systemctl", "daemon-reload");
  await machine.must("systemctl", "restart", unit);
  const within = (await machine.must("systemctl", "show", "-P", "MainPID", unit)).trim();
  const process = await hostProcess(machine, within);
  const thread = [...Deno.readDirSync(`/proc/${process}/task`)].map(({ name }) => name)
    .find((id) =>
      Deno.readTextFileSync(`/proc/${process}/task/${id}/comm`).trim() === ENGINE_THREAD
    );
  need(thread !== undefined, `process ${process} has no thread ${ENGINE_THREAD}`);
  const stopper = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-config", STOP_THREAD, thread!],
    stdout: "null",
  }).spawn();
  try {
    await until("the watchdog ends it", async () => {
      const { text } = await machine.run("journalctl", "-u", unit, "-n", "20", "--no-pager");
      return text.includes("Watchdog timeout") ? true : null;
    });
  } finally {
    stopper.kill("SIGKILL"); // a thread that is traced would keep its process from ending
    await stopper.status;
  }
}

/** The number that the process `within` the machine has on this one. */
function hostProcess(machine: Machine, within: string): Promise<string> {
  return until(`process ${within}`, () => {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const status = Deno.readTextFileSync(`/proc/${name}/status`);
        const numbers = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
        const isOurs = numbers.at(-1) === within && numbers.length === 2 &&
          Deno.readLinkSync(`/proc/${name}/ns/pid`) === machine.pidNamespace;
        if (isOurs) return Promise.resolve(name);
      } catch {
        // It has ended meanwhile.
      }
    }
    return Promise.resolve(null);
  });
}

export async function tryPackages(steps: StepList, tree: string, debs: Debs): Promise<void> {
  const links = ["one", "two"].map((name) => ({ name, rateMbit: 0, rttMs: 0 }));
  await using lab = await Lab.create({ links, shaping: "none" });
  await using server = await Machine.create(tree, lab.directory, "server", lab.server);
  await using client = await Machine.create(tree, lab.directory, "client", lab.client);
  const both = [server, client];
  for (const machine of both) {
    for (const deb of [debs.first, debs.next]) {
      await Deno.copyFile(deb, join(machine.root, "root", basename(deb)));
    }
  }
  const deb = (path: string) => `/root/${basename(path)}`;
  /** What is installed is there already: no mirror is asked. */
  const quiet = ["--no-install-recommends"];
  const apt = (machine: Machine, ...words: string[]) =>
    machine.must(
      "env",
      "DEBIAN_FRONTEND=noninteractive",
      "apt-get",
      "-y",
      "-q",
      ...quiet,
      ...words,
    );
  let inner = "";
  const clean = new Map<Machine, string>();

  await steps.step("both machines boot", () => Promise.all(both.map((one) => one.boot())));
  for (const machine of both) clean.set(machine, await traces(machine));
  await steps.step("apt install ./fluxify.deb works, and starts and enables nothing", async () => {
    for (const machine of both) {
      await apt(machine, "install", deb(debs.first));
      for (const unit of [SERVER_UNIT, CLIENT_UNIT, SERVER_PAGE.unit, CLIENT_PAGE.unit]) {
        const { text } = await machine.run("systemctl", "is-enabled", unit);
        need(text.trim() === "disabled", `${unit} is ${text}`);
        need(await isActive(machine, unit) === null, `${unit} runs`);
      }
    }
  });
  await steps.step("fluxify-server setup starts the server as a service", async () => {
    await setUpServer(server);
    need(await isActive(server, SERVER_UNIT) === true, "it does not run");
  });
  await steps.step("fluxify-client setup starts the client, and traffic flows", async () => {
    await Deno.copyFile(join(server.root, BUNDLE), join(client.root, "root/laptop.bundle"));
    await setUpClient(client);
    await until("traffic", () => carries(client));
    inner = await innerAddress(client);
  });
  for (const [machine, { unit, port }] of [[server, SERVER_PAGE], [client, CLIENT_PAGE]] as const) {
    await steps.step(`${unit} serves the page, as the user ${PAGE_USER}`, async () => {
      await machine.must("systemctl", "start", unit);
      await until("it listens", async () => {
        const { text } = await machine.run("ss", "-Hltn", `sport = :${port}`);
        return text.includes(`127.0.0.1:${port}`) ? true : null;
      });
      await until("its process has no rights", async () => {
        const { text } = await machine.run("pgrep", "-u", PAGE_USER, "-G", PAGE_USER);
        return /^\d+$/m.test(text) ? true : null;
      });
      const { text } = await machine.run("journalctl", "-u", unit, "--no-pager");
      need(!text.includes("cannot keep a history"), text);
      await machine.must("systemctl", "stop", unit);
      const left = await machine.run("pgrep", "-u", PAGE_USER);
      need(left.text.trim() === "", `left behind: ${left.text}`);
    });
  }
  await steps.step("after a reboot of both, both run, with the same addresses", async () => {
    await Promise.all(both.map((one) => one.reboot()));
    await until("the server", () => isActive(server, SERVER_UNIT));
    await until("the client", () => isActive(client, CLIENT_UNIT));
    await until("traffic", () => carries(client));
    need(await innerAddress(client) === inner, `${await innerAddress(client)} for ${inner}`);
  });
  await steps.step("fluxify-client down stops the service, and up starts it", async () => {
    need(/undone/.test(await client.must("fluxify-client", "down")), "not down");
    await until("the unit ends", async () => await isActive(client, CLIENT_UNIT) ? null : true);
    const text = await client.must("fluxify-client", "up");
    need(text.startsWith(`up, as ${CLIENT_UNIT}: `), text);
    await until("traffic", () => carries(client));
  });
  for (const [machine, unit] of [[server, SERVER_UNIT], [client, CLIENT_UNIT]] as const) {
    await steps.step(`an engine that hangs is ended, and ${unit} runs again`, async () => {
      await hang(machine, unit);
      await until("it runs again", async () => {
        const restarts = await machine.must("systemctl", "show", "-P", "NRestarts", unit);
        return Number(restarts) >= 1 ? await isActive(machine, unit) : null;
      });
      const journal = await machine.must("journalctl", "-u", unit, "--no-pager");
      need(/undid \d+ changes left by fluxify/.test(journal), "what it left was not undone");
      await until("traffic", () => carries(client));
    });
  }
  await steps.step("an upgrade restarts what runs, and the addresses stay", async () => {
    for (const machine of both) await apt(machine, "install", deb(debs.next));
    const list = await server.must("dpkg", "-s", "fluxify");
    need(/^Version: .*\+next$/m.test(list), list);
    await until("the server", () => isActive(server, SERVER_UNIT));
    await until("traffic", () => carries(client));
    need(await innerAddress(client) === inner, `${await innerAddress(client)} for ${inner}`);
  });
  await steps.step("the older version goes back over the newer one", async () => {
    await apt(client, "install", "--allow-downgrades", deb(debs.first));
    await until("traffic", () => carries(client));
    need(await innerAddress(client) === inner, "another address");
  });
  await steps.step("remove ends what runs and undoes it, and keeps the settings", async () => {
    for (const machine of [client, server]) {
      await apt(machine, "remove", "fluxify");
      const left = await traces(machine);
      need(left === clean.get(machine), `left behind:\n${left}\nbefore:\n${clean.get(machine)}`);
    }
    need(await exists(client, "etc/fluxify/client.json"), "the settings are gone");
  });
  await steps.step("purge removes settings and state, but not the authority", async () => {
    for (const machine of both) await apt(machine, "purge", "fluxify");
    for (const path of ["etc/fluxify", "var/lib/fluxify", "var/cache/fluxify"]) {
      need(!await exists(client, path), `${path} is left on the client`);
    }
    need(await exists(server, "etc/fluxify/pki/ca-key.pem"), "the authority is gone");
    for (const machine of both) {
      for (const list of ["passwd", "group"]) {
        const { text } = await machine.run("getent", list, PAGE_USER);
        need(text.trim() === "", `${PAGE_USER} is left in ${list}`);
      }
    }
    for (const path of ["etc/fluxify/server.env", "etc/fluxify/pki/leases.json"]) {
      need(!await exists(server, path), `${path} is left on the server`);
    }
  });
}

async function exists({ root }: Machine, path: string): Promise<boolean> {
  return await Deno.lstat(join(root, path)).then(() => true, () => false);
}
