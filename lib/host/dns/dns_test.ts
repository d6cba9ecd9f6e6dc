import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { CommandError, MissingProgramError } from "../command/runner.ts";
import { HostJournal, restoreStale } from "../journal/host_journal.ts";
import { deadIdentity, TestDirectory } from "../journal/test_directory.ts";
import { type DnsSetting, resolvConfText, setDns } from "./dns.ts";

const SERVERS = ["1.1.1.1", "2606:4700:4700::1111"];
const nsswitch = "/dev/null";
const STUB = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";

async function open(directory: TestDirectory, runner = new FakeRunner()): Promise<HostJournal> {
  return await HostJournal.open({
    program: "fluxify-test",
    runner,
    directory: directory.path,
    identity: await deadIdentity(),
  });
}

/** Where the C library asks nobody but resolv.conf. */
function setOurs(journal: HostJournal, resolvConf: string): Promise<DnsSetting> {
  return setDns(journal, { tun: "fluxify", servers: SERVERS, resolvConf, nsswitch });
}

/** What is at a path, as text: kind, rights and content. */
function describe(path: string): string {
  try {
    const info = Deno.lstatSync(path);
    if (info.isSymlink) return `link to ${Deno.readLinkSync(path)}`;
    const text = Deno.readTextFileSync(path);
    return `${(info.mode! & 0o7777).toString(8)} ${info.uid}:${info.gid} ${text}`;
  } catch {
    return "absent";
  }
}

const BEFORE: Record<string, (path: string) => Promise<void>> = {
  file: async (path) => {
    await Deno.writeTextFile(path, "nameserver 192.168.1.1\nsearch lan\n");
    await Deno.chmod(path, 0o640);
    if (Deno.uid() === 0) await Deno.chown(path, 1234, 4321);
  },
  "file that is no text": (path) => Deno.writeFile(path, new Uint8Array([0xff, 0, 10])),
  "link to a file": async (path) => {
    await Deno.writeTextFile(`${path}.target`, "nameserver 192.168.1.1\n");
    await Deno.symlink("resolv.conf.target", path);
  },
  "link to nothing": (path) => Deno.symlink("../run/nobody/resolv.conf", path),
  nothing: () => Promise.resolve(),
};

for (const [name, prepare] of Object.entries(BEFORE)) {
  for (const ending of ["stopped", "killed"] as const) {
    Deno.test(`setDns() writes resolv.conf and ${name} is back when ${ending}`, async () => {
      await using directory = await TestDirectory.create();
      const resolvConf = directory.file("resolv.conf");
      await prepare(resolvConf);
      const before = describe(resolvConf);
      const target = describe(`${resolvConf}.target`);
      const journal = await open(directory);
      const { place } = await setOurs(journal, resolvConf);
      assert.equal(place, "resolv.conf");
      assert.equal(Deno.readTextFileSync(resolvConf), resolvConfText(SERVERS));
      assert.equal(Deno.lstatSync(resolvConf).mode! & 0o777, 0o644);
      assert.equal(describe(`${resolvConf}.target`), target, "the link's target is untouched");
      if (ending === "stopped") {
        assert.deepEqual(await journal.undoAll(), []);
        assert.deepEqual(journal.notices, []);
      } else {
        journal.close();
        assert.match(
          (await restoreStale(new FakeRunner(), directory.path)).join(),
          /undid 1 change/,
        );
      }
      assert.equal(describe(resolvConf), before);
      assert.equal(describe(`${resolvConf}.target`), target);
      assert.deepEqual(await directory.journals(), []);
    });
  }
}

Deno.test("a resolv.conf that somebody else has changed since stays, and is told of", async () => {
  for (const ending of ["stopped", "killed"] as const) {
    await using directory = await TestDirectory.create();
    const resolvConf = directory.file("resolv.conf");
    await Deno.writeTextFile(resolvConf, "nameserver 192.168.1.1\n");
    const journal = await open(directory);
    await setOurs(journal, resolvConf);
    await Deno.writeTextFile(resolvConf, "nameserver 10.0.0.1\n");
    let lines: string[];
    if (ending === "stopped") {
      assert.deepEqual(await journal.undoAll(), []);
      lines = journal.notices;
    } else {
      journal.close();
      lines = await restoreStale(new FakeRunner(), directory.path);
    }
    assert.match(lines.join(), /left .*resolv\.conf as it is: it was changed by another program/);
    assert.equal(Deno.readTextFileSync(resolvConf), "nameserver 10.0.0.1\n");
  }
});

Deno.test("what another program writes is replaced when it is complete, and comes back", async () => {
  for (const ending of ["stopped", "killed"] as const) {
    await using directory = await TestDirectory.create();
    const resolvConf = directory.file("resolv.conf");
    await Deno.writeTextFile(resolvConf, "nameserver 192.168.1.1\n");
    const journal = await open(directory);
    const dns = await setOurs(journal, resolvConf);
    assert.equal(await dns.look(), null);
    assert.equal(await dns.look(), null);
    let theirs = "";
    for (const part of ["nameserver 10.0.0.1\n", "nameserver 10.0.0.2\n"]) {
      theirs += part;
      await Deno.writeTextFile(resolvConf, theirs, { mode: 0o600 });
      assert.equal(await dns.look(), null);
      assert.equal(Deno.readTextFileSync(resolvConf), theirs);
    }
    assert.match(
      String(await dns.look()),
      /another program has written .*1\.1\.1\.1.* all the same/,
    );
    assert.equal(Deno.readTextFileSync(resolvConf), resolvConfText(SERVERS));
    assert.equal(await dns.look(), null);
    if (ending === "stopped") {
      assert.deepEqual(await journal.undoAll(), []);
      assert.deepEqual(journal.notices, []);
    } else {
      journal.close();
      assert.match((await restoreStale(new FakeRunner(), directory.path)).join(), /undid 1 change/);
    }
    assert.equal(Deno.readTextFileSync(resolvConf), theirs);
  }
});

for (const ending of ["stopped", "killed", "off"] as const) {
  Deno.test(`other servers take the place of ours, and the first file is back when ${ending}`, async () => {
    await using directory = await TestDirectory.create();
    const resolvConf = directory.file("resolv.conf");
    await Deno.writeTextFile(resolvConf, "nameserver 192.168.1.1\n");
    const before = describe(resolvConf);
    const journal = await open(directory);
    const setting = await setOurs(journal, resolvConf);
    for (let times = 0; times < 3; times++) {
      await setting.change(["9.9.9.9"]);
      assert.equal(Deno.readTextFileSync(resolvConf), resolvConfText(["9.9.9.9"]));
      assert.equal(await setting.look(), null, "ours is no other program's");
      await setting.change(["8.8.8.8", "8.8.4.4"]);
    }
    await assert.rejects(setting.change(["x"]));
    await assert.rejects(setting.change([]), RangeError);
    assert.equal(Deno.readTextFileSync(resolvConf), resolvConfText(["8.8.8.8", "8.8.4.4"]));
    if (ending === "off") {
      await setting.end();
      assert.equal(describe(resolvConf), before);
    }
    if (ending === "killed") {
      journal.close();
      const lines = await restoreStale(new FakeRunner(), directory.path);
      assert.match(lines.join(), /undid 1 change/, "one record, however often they changed");
    } else assert.deepEqual(await journal.undoAll(), []);
    assert.equal(describe(resolvConf), before);
  });
}

Deno.test("a resolv.conf that is removed, or becomes a link, is written again", async () => {
  await using directory = await TestDirectory.create();
  const resolvConf = directory.file("resolv.conf");
  const journal = await open(directory);
  const dns = await setOurs(journal, resolvConf);
  for (const then of ["absent", "link to /run/nobody"]) {
    await Deno.remove(resolvConf);
    if (then !== "absent") await Deno.symlink("/run/nobody", resolvConf);
    assert.equal(await dns.look(), null);
    assert.notEqual(await dns.look(), null);
    assert.equal(Deno.readTextFileSync(resolvConf), resolvConfText(SERVERS));
  }
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(describe(resolvConf), "link to /run/nobody");
});

Deno.test("a program that writes resolv.conf again and again has its way most of the time", async () => {
  await using directory = await TestDirectory.create();
  const resolvConf = directory.file("resolv.conf");
  const journal = await open(directory);
  const dns = await setOurs(journal, resolvConf);
  let replaced = 0;
  for (let look = 0; look < 600; look++) {
    await Deno.writeTextFile(resolvConf, "nameserver 10.0.0.1\n");
    if (await dns.look() !== null) replaced++;
  }
  assert.ok(replaced >= 15 && replaced <= 20, `${replaced}`);
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(Deno.readTextFileSync(resolvConf), "nameserver 10.0.0.1\n");
});

Deno.test("programs that are sent away from systemd-resolved ask our servers all the same", async () => {
  await using directory = await TestDirectory.create();
  const resolvConf = directory.file("resolv.conf");
  await Deno.writeTextFile(resolvConf, STUB);
  const journal = await open(directory, resolved());
  const dns = await setOurs(journal, resolvConf);
  assert.equal(dns.place, "systemd-resolved");
  await Deno.writeTextFile(resolvConf, `search lan\n${STUB}`);
  assert.equal(await dns.look(), null);
  assert.equal(await dns.look(), null);
  const theirs = "nameserver 192.168.1.1\n";
  await Deno.writeTextFile(resolvConf, theirs);
  assert.equal(await dns.look(), null);
  assert.notEqual(await dns.look(), null);
  assert.equal(dns.place, "resolv.conf and systemd-resolved");
  assert.equal(Deno.readTextFileSync(resolvConf), resolvConfText(SERVERS));
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(Deno.readTextFileSync(resolvConf), theirs);
});

Deno.test("a resolv.conf that cannot be kept a copy of is an error, and stays", async () => {
  await using directory = await TestDirectory.create();
  const resolvConf = directory.file("resolv.conf");
  const journal = await open(directory);
  const dns = await setOurs(journal, resolvConf);
  await Deno.remove(resolvConf);
  await Deno.mkdir(resolvConf);
  await assert.rejects(dns.look(), /Cannot keep a copy of/);
  assert.match((await journal.undoAll()).join(), /Cannot keep a copy of/);
});

const resolved = () => new FakeRunner().on("resolvectl", "");

Deno.test("setDns() tells systemd-resolved where programs ask it, and reverts", async () => {
  await using directory = await TestDirectory.create();
  const resolvConf = directory.file("resolv.conf");
  await Deno.writeTextFile(resolvConf, STUB);
  const runner = resolved();
  const journal = await open(directory, runner);
  const { place } = await setOurs(journal, resolvConf);
  assert.equal(place, "systemd-resolved");
  assert.deepEqual(await journal.undoAll(), []);
  assert.deepEqual(runner.lines, [
    "resolvectl dns",
    "resolvectl dns fluxify 1.1.1.1 2606:4700:4700::1111",
    "resolvectl domain fluxify ~.",
    "resolvectl default-route fluxify yes",
    "resolvectl revert fluxify",
  ]);
  assert.equal(Deno.readTextFileSync(resolvConf), STUB);
});

Deno.test("setDns() sets both where the C library asks systemd-resolved beside resolv.conf", async () => {
  const cases = [
    ["hosts: mymachines resolve [!UNAVAIL=return] files dns\n", true],
    ["passwd: files\nhosts:\tfiles\tresolve\n", true],
    ["hosts: files dns\n# hosts: resolve\nnetworks: resolve\n", false],
    ["hosts: resolved dns\n", false],
  ] as const;
  for (const [text, both] of cases) {
    await using directory = await TestDirectory.create();
    const [resolvConf, nsswitch] = [directory.file("resolv.conf"), directory.file("nsswitch.conf")];
    await Deno.writeTextFile(resolvConf, "nameserver 192.168.1.1\n");
    await Deno.writeTextFile(nsswitch, text);
    const runner = resolved();
    const journal = await open(directory, runner);
    const options = { tun: "fluxify", servers: SERVERS, resolvConf, nsswitch };
    const { place } = await setDns(journal, options);
    assert.equal(place, both ? "resolv.conf and systemd-resolved" : "resolv.conf", text);
    assert.equal(runner.lines.includes("resolvectl domain fluxify ~."), both);
    assert.equal(Deno.readTextFileSync(resolvConf), resolvConfText(SERVERS));
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(runner.lines.includes("resolvectl revert fluxify"), both);
    assert.equal(Deno.readTextFileSync(resolvConf), "nameserver 192.168.1.1\n");

    await Deno.remove(resolvConf);
    await Deno.mkdir(resolvConf);
    const second = await open(directory, runner);
    const refused = setDns(second, options);
    await assert.rejects(refused, /Cannot set the DNS servers/);
    assert.equal(runner.lines.at(-1) === "resolvectl revert fluxify", both);
    assert.deepEqual(await second.undoAll(), []);
  }
});

Deno.test("a tunnel or a systemd-resolved that is gone has nothing to revert", async () => {
  const words = [
    'Failed to resolve interface "fluxify": No such device',
    "Failed to revert interface configuration: The name org.freedesktop.resolve1 was not provided " +
    "by any .service files",
    "Failed to revert interface configuration: Could not activate remote peer: unknown unit",
    "Failed to revert interface configuration: Unit dbus-org.freedesktop.resolve1.service not found.",
  ];
  for (const stderr of words) {
    await using directory = await TestDirectory.create();
    const resolvConf = directory.file("resolv.conf");
    await Deno.writeTextFile(resolvConf, STUB);
    const runner = resolved().on("resolvectl revert", { code: 1, stderr });
    const journal = await open(directory, runner);
    await setOurs(journal, resolvConf);
    assert.deepEqual(await journal.undoAll(), []);
  }
});

Deno.test("setDns() reverts what systemd-resolved took before it refused", async () => {
  await using directory = await TestDirectory.create();
  const resolvConf = directory.file("resolv.conf");
  await Deno.writeTextFile(resolvConf, STUB);
  const runner = resolved().on("resolvectl domain", { code: 1, stderr: "Access denied" });
  const journal = await open(directory, runner);
  await assert.rejects(
    setOurs(journal, resolvConf),
    /Cannot set the DNS servers: .*Access denied.*start without -dns/,
  );
  assert.equal(runner.lines.at(-1), "resolvectl revert fluxify");
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(Deno.readTextFileSync(resolvConf), STUB);
});

Deno.test("setDns() writes resolv.conf where systemd-resolved is not asked, or silent", async () => {
  const silent = new CommandError(["resolvectl", "dns"], null, "", "no answer within 10000 ms");
  const cases: [string, FakeRunner][] = [
    ["nameserver 127.0.0.53\nnameserver 9.9.9.9\n", resolved()],
    ["nameserver 192.168.1.1\n# nameserver 127.0.0.53\n", resolved()],
    ["", resolved()],
    [`#${"x".repeat(65_536)}\n${STUB}`, resolved()],
    [STUB, new FakeRunner().on("resolvectl", { code: 1, stderr: "no such unit" })],
    [STUB, new FakeRunner().on("resolvectl", new MissingProgramError("resolvectl"))],
    [STUB, new FakeRunner().on("resolvectl", silent)],
  ];
  for (const [text, runner] of cases) {
    await using directory = await TestDirectory.create();
    const resolvConf = directory.file("resolv.conf");
    await Deno.writeTextFile(resolvConf, text);
    const journal = await open(directory, runner);
    const { place } = await setOurs(journal, resolvConf);
    assert.equal(place, "resolv.conf");
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(Deno.readTextFileSync(resolvConf), text);
  }
});

Deno.test("setDns() refuses what it could not put back, and servers that are none", async () => {
  await using directory = await TestDirectory.create();
  const journal = await open(directory);
  const large = directory.file("large");
  await Deno.writeTextFile(large, "x".repeat(1024 * 1024 + 1));
  for (const resolvConf of [directory.path, large, directory.file("no/such/folder")]) {
    const refused = setOurs(journal, resolvConf);
    await assert.rejects(refused, /Cannot set the DNS servers: .*start without -dns/);
  }
  const resolvConf = directory.file("resolv.conf");
  for (const servers of [[], ["1.1.1.1\nnameserver 9.9.9.9"], ["a", "b", "c", "d"]]) {
    await assert.rejects(
      setDns(journal, { tun: "fluxify", servers, resolvConf, nsswitch }),
      RangeError,
    );
  }
  await assert.rejects(setDns(journal, { tun: "-x", servers: SERVERS, resolvConf, nsswitch }), {
    name: "InterfaceError",
  });
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(describe(resolvConf), "absent");
});
