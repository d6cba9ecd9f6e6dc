import { deepEqual, equal } from "node:assert/strict";
import { Changes, linkIn, watchLinks } from "./link_watch.ts";
import { until } from "../../../testing/until.ts";

Deno.test("linkIn() tells links that are off, without carrier or gone from those that are up", () => {
  const cases: [string, string | null][] = [
    [
      "3: wan1@if2: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN group default",
      "wan1 down",
    ],
    ["3: wan1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 state DOWN", "wan1 down"],
    ["Deleted 4: eth0.100: <BROADCAST,UP,LOWER_UP> mtu 1500", "eth0.100 gone"],
    ["3: wan1@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP", "wan1 up"],
    ["    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff", null],
    ["Deleted default via 10.1.0.1 dev wan1", null],
    ["3: wan1    inet 10.1.0.2/24 scope global wan1", null],
    ["", null],
  ];
  for (const [line, expected] of cases) {
    const link = linkIn(line);
    equal(link && `${link.name} ${link.state}`, expected, line);
  }
});

/** Waits until a call of `onChange` has brought what `test` is looking for. */
function nextCall(test: (wentDown: ReadonlySet<string>) => boolean) {
  const { promise, resolve } = Promise.withResolvers<ReadonlySet<string>>();
  return {
    promise,
    onChange: (wentDown: ReadonlySet<string>) => {
      if (test(wentDown)) resolve(wentDown);
    },
  };
}

const shell = (script: string) => ["sh", "-c", script] as const;

Deno.test("watchLinks() names the links that went down, once", async () => {
  const { promise, onChange } = nextCall((wentDown) => wentDown.size > 0);
  const line = "echo '3: wan1@if2: <BROADCAST,MULTICAST> mtu 1500'";
  await using _watch = watchLinks(onChange, {
    settleMs: 10,
    command: shell(`${line}; ${line}; exec sleep 60`),
  });
  deepEqual([...await promise], ["wan1"]);
});

Deno.test("watchLinks() starts a monitor that ended again, and looks what it has missed", async () => {
  const file = await Deno.makeTempFile();
  try {
    let calls = 0;
    const { promise, onChange } = nextCall(() => ++calls >= 3);
    await using _watch = watchLinks(onChange, {
      settleMs: 1,
      restartMs: 1,
      command: shell(`echo started >> ${file}`),
    });
    await promise;
    equal((await Deno.readTextFile(file)).split("\n").length > 2, true);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("watchLinks() looks by itself where there is no monitor, and when one complains", async () => {
  const complaining = shell("while sleep 0.05; do echo 'netlink receive error' >&2; done");
  for (const command of [["/nowhere/ip"], complaining] as const) {
    let calls = 0;
    const { promise, onChange } = nextCall(() => ++calls >= 3);
    await using _watch = watchLinks(onChange, { settleMs: 1, restartMs: 1, command });
    await promise;
  }
});

Deno.test("watchLinks() ends at once, also with a monitor that takes no signal to end", async () => {
  const { promise, onChange } = nextCall((wentDown) => wentDown.size > 0);
  const line = "echo '3: wan1: <BROADCAST> mtu 1500'";
  const watch = watchLinks(onChange, {
    settleMs: 1,
    command: shell(`trap '' TERM; ${line}; exec sleep 60`),
  });
  await promise;
  await watch[Symbol.asyncDispose]();
});

Deno.test("Changes names a link each time it goes, and keeps no names of links that are gone", () => {
  const told: string[] = [];
  const changes = new Changes((wentDown) => told.push(...wentDown), 1_000);
  for (let number = 0; number < 1000; number++) {
    changes.noteLine(`${number}: veth${number}: <BROADCAST,MULTICAST> mtu 1500`);
    changes.noteLine(`Deleted ${number}: veth${number}: <BROADCAST,MULTICAST> mtu 1500`);
  }
  changes.noteLine("3: wan1: <BROADCAST,MULTICAST> mtu 1500");
  deepEqual([...changes.downNow], ["wan1"]);
  changes.stop();
});

Deno.test("watchLinks() finds its program where PATH does not lead", async () => {
  const path = Deno.env.get("PATH") ?? "";
  const { promise, onChange } = nextCall((wentDown) => wentDown.size > 0);
  const line = "echo '3: wan1: <BROADCAST> mtu 1500'";
  Deno.env.set("PATH", "/nowhere");
  try {
    await using _watch = watchLinks(onChange, {
      settleMs: 1,
      command: shell(`${line}; exec sleep 60`),
    });
    deepEqual([...await promise], ["wan1"]);
  } finally {
    Deno.env.set("PATH", path);
  }
});

Deno.test("watchLinks() leaves no monitor behind a program that is killed", async () => {
  const module = new URL("link_watch.ts", import.meta.url).href;
  const monitor = JSON.stringify(shell("echo $$ >&2; echo $$ > $PID_FILE; exec sleep 60"));
  const pidFile = await Deno.makeTempFile();
  const program = `import { watchLinks } from "${module}";
    watchLinks(() => {}, { command: ${monitor.replaceAll("$PID_FILE", pidFile)} });`;
  const args = ["eval", "--no-lock", program];
  const parent = new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" })
    .spawn();
  const pid = await until(
    "its process is known",
    async () => (await Deno.readTextFile(pidFile)).trim(),
  );
  parent.kill("SIGKILL");
  await parent.status;
  await until("its process has ended", () => hasEnded(pid));
  await Deno.remove(pidFile);
});

/** Also of one that nobody has waited for yet. */
async function hasEnded(pid: string): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => ") Z");
  return stat.includes(") Z");
}
