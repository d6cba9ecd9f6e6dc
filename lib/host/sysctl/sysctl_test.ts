import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { enableForwarding } from "./forwarding.ts";
import { loosenReversePath } from "./reverse_path.ts";
import { CommandSysctl } from "../../../testing/command_sysctl.ts";
import { SystemSysctl } from "./sysctl.ts";

Deno.test("SystemSysctl reads, knows what is not there and refuses other paths", async () => {
  const sysctl = new SystemSysctl();
  assert.match((await sysctl.read("net/ipv4/ip_forward"))!, /^[01]$/);
  assert.equal(await sysctl.read("net/ipv4/conf/no-such-link/rp_filter"), null);
  for (const path of ["", "/etc/passwd", "../../etc/passwd", "net//x", "net/a b"]) {
    await assert.rejects(sysctl.read(path), RangeError, path);
    await assert.rejects(sysctl.write(path, "1"), RangeError, path);
  }
});

Deno.test("CommandSysctl tells what is not there from what cannot be read", async () => {
  const runner = new FakeRunner().on("cat", { code: 1, stderr: "cat: x: No such file" });
  assert.equal(await new CommandSysctl(runner).read("net/x"), null);
  runner.on("cat", { code: 1, stderr: "Permission denied" });
  await assert.rejects(new CommandSysctl(runner).read("net/x"), /Permission denied/);
});

Deno.test({
  name: "netns: forwarding keeps router advertisements working and leaves no trace",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("forwarding");
    const { namespace } = machine;
    await namespace.addLink("fiber.100");
    await namespace.sh(`
      sysctl -q -w net.ipv6.conf.fiber.accept_ra=1
      sysctl -q -w net/ipv6/conf/fiber.100/accept_ra=1
      sysctl -q -w net.ipv6.conf.mobile.accept_ra=0
      sysctl -q -w net.ipv6.conf.mobile.forwarding=1
      sysctl -q -w net.ipv4.conf.all.accept_redirects=0
      sysctl -q -w net.ipv4.conf.mobile.forwarding=1
    `);
    const before = await machine.snapshot();
    const read = (path: string) => machine.sysctl.read(path);
    for (const ending of ["stopped", "killed"]) {
      const journal = await machine.openJournal();
      assert.deepEqual(await enableForwarding(journal, "tunnel"), []);
      assert.equal(await read("net/ipv4/ip_forward"), "1");
      assert.equal(await read("net/ipv6/conf/all/forwarding"), "1");
      assert.equal(await read("net/ipv6/conf/fiber/accept_ra"), "2");
      assert.equal(await read("net/ipv6/conf/fiber.100/accept_ra"), "2");
      assert.equal(await read("net/ipv6/conf/mobile/accept_ra"), "0");
      assert.equal(await read("net/ipv6/conf/tunnel/accept_ra"), "1");
      if (ending === "stopped") assert.deepEqual(await journal.undoAll(), []);
      else journal.close();
      await machine.restoreStale();
      assert.equal(await machine.snapshot(), before);
    }
  },
});

Deno.test({
  name: "netns: where forwarding is on and nothing may be written, as in a container, all is well",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("forwarding");
    const sealed = {
      read: (path: string) => machine.sysctl.read(path),
      write: (path: string) => Promise.reject(new Error(`Read-only file system: ${path}`)),
    };
    const open = () =>
      HostJournal.open({
        ...{ program: "fluxify-test", runner: machine.namespace, sysctl: sealed },
        directory: machine.directory.path,
      });
    await machine.namespace.sh("sysctl -q -w net.ipv6.conf.fiber.accept_ra=1");
    const closed = await open();
    await assert.rejects(enableForwarding(closed, "tunnel"), /Read-only file system/);
    assert.deepEqual(await closed.undoAll(), []);
    await machine.namespace.sh("sysctl -q -w net.ipv4.ip_forward=1");
    const half = await open();
    const [notice] = await enableForwarding(half, "tunnel");
    assert.match(notice ?? "", /cannot switch on IPv6 forwarding/);
    assert.deepEqual(await half.undoAll(), []);
    await machine.namespace.sh("sysctl -q -w net.ipv6.conf.all.forwarding=1");
    const whole = await open();
    assert.deepEqual(await enableForwarding(whole, "tunnel"), []);
    assert.deepEqual(await whole.undoAll(), []);
  },
});

Deno.test({
  name: "netns: two servers share forwarding; the last one switches it off",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("forwarding");
    const before = await machine.snapshot();
    const [one, other] = [await machine.openJournal("one"), await machine.openJournal("other")];
    await Promise.all([enableForwarding(one, "tunnel"), enableForwarding(other, "tunnel")]);
    const during = await machine.snapshot();
    assert.deepEqual(await one.undoAll(), []);
    assert.equal(await machine.snapshot(), during);
    assert.deepEqual(await other.undoAll(), []);
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name: "netns: only strict reverse path filters are loosened",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("reverse-path");
    const links = ["fiber", "mobile"];
    const filters = () =>
      Promise.all(links.map((link) => machine.sysctl.read(`net/ipv4/conf/${link}/rp_filter`)));
    for (
      const [all, fiber, mobile, loosened] of [
        [0, 1, 0, ["2", "0"]],
        [1, 0, 2, ["2", "2"]],
        [2, 1, 0, ["1", "0"]],
        [0, 0, 0, ["0", "0"]],
      ] as const
    ) {
      await machine.namespace.sh(`
        sysctl -q -w net.ipv4.conf.all.rp_filter=${all}
        sysctl -q -w net.ipv4.conf.fiber.rp_filter=${fiber}
        sysctl -q -w net.ipv4.conf.mobile.rp_filter=${mobile}
      `);
      const journal = await machine.openJournal();
      const other = await machine.openJournal("other");
      await loosenReversePath(journal, links);
      await loosenReversePath(other, links);
      assert.deepEqual(await filters(), loosened);
      assert.deepEqual(await journal.undoAll(), []);
      assert.deepEqual(await filters(), loosened);
      assert.deepEqual(await other.undoAll(), []);
      assert.deepEqual(await filters(), [`${fiber}`, `${mobile}`]);
    }
  },
});
