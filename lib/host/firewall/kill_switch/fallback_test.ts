import assert from "node:assert/strict";
import { FakeRunner } from "../../../../testing/fake_runner.ts";
import { MissingProgramError } from "../../command/runner.ts";
import { HostJournal, restoreStale } from "../../journal/host_journal.ts";
import { ModelHost } from "../../../../testing/model_host.ts";
import { deadIdentity, TestDirectory } from "../../journal/test_directory.ts";
import { adoptedServer, KillSwitch } from "./kill_switch.ts";

const OPTIONS = {
  tun: "fluxify",
  links: ["eth0"],
  server: "vpn.example.com",
  addresses: ["203.0.113.7"],
  controlPort: 8443,
};

async function open(directory: TestDirectory, runner: FakeRunner): Promise<HostJournal> {
  const sysctl = new ModelHost();
  sysctl.parameters.set("net/ipv6/conf/all/disable_ipv6", "0");
  return await HostJournal.open({
    ...{ program: "fluxify-test", runner, sysctl, directory: directory.path },
    identity: await deadIdentity(),
  });
}

/** Without the questions that change nothing. */
const changes = (runner: FakeRunner) =>
  runner.lines.filter((line) => !/ -[SC]( |$)|-save$|^ip -j|^nft list/.test(line));

Deno.test("KillSwitch says so when neither nft nor iptables can do it, and leaves nothing", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("ip -j address", "[]")
    .on("nft", new MissingProgramError("nft"))
    .on("iptables", "").on("iptables -w 5 -t mangle -S", { code: 1 })
    .on("iptables -w 5 -t mangle -C", { code: 1 })
    .on("ip6tables", { code: 3, stderr: "no IPv6 tables" });
  const journal = await open(directory, runner);
  await assert.rejects(
    new KillSwitch(journal, OPTIONS).enable(),
    /Cannot set up the kill switch: .*no IPv6 tables.*without -kill-switch/,
  );
  const lines = changes(runner).filter((line) => line.startsWith("iptables -w"));
  for (const name of ["fluxify-kill-fwd", "fluxify-kill-out"]) {
    assert.equal(lines.filter((line) => line.endsWith(`-N ${name}`)).length, 1);
    assert.equal(lines.filter((line) => line.endsWith(`-X ${name}`)).length, 1);
  }
  assert.deepEqual(journal.lasting, []);
  assert.deepEqual(await journal.undoAll(), []);
});

Deno.test("KillSwitch changes nothing when nothing has changed, and keeps what is in force", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("ip -j address", "[]").on("nft", "");
  const journal = await open(directory, runner);
  const killSwitch = new KillSwitch(journal, OPTIONS);
  assert.deepEqual(await killSwitch.follow(), [], "not yet in force");
  await killSwitch.enable();
  await killSwitch.follow();
  assert.deepEqual(changes(runner), ["nft -f -"]);
  runner.on("nft -f", { code: 1, stderr: "busy" });
  await assert.rejects(killSwitch.allowDataPorts([8000]), /busy/);
  runner.on("nft -f", "");
  await killSwitch.follow();
  assert.match(
    runner.calls.findLast(({ input }) => input !== undefined)!.input!,
    /udp dport 8000 accept/,
    "made up for",
  );
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(runner.lines.at(-1), "nft delete table inet fluxify_kill_switch");
});

Deno.test("a kill switch that cannot be changed after a crash is left in force", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("ip -j address", "[]").on("nft", "");
  const crashed = await open(directory, runner);
  await new KillSwitch(crashed, OPTIONS).enable();
  crashed.close();
  const journal = await open(directory, runner);
  await restoreStale(runner, directory.path, { lasting: journal });
  assert.deepEqual(adoptedServer(journal), {
    server: "vpn.example.com",
    addresses: ["203.0.113.7"],
  });
  runner.on("nft", { code: 1, stderr: "busy" }).on("iptables", { code: 4, stderr: "busy" });
  await assert.rejects(new KillSwitch(journal, OPTIONS).enable(), /busy/);
  assert.deepEqual(await journal.undoAll("leave"), []);
  assert.deepEqual(runner.lines.filter((line) => line.includes("delete")), []);
  assert.equal((await directory.journals()).length, 1);
});

Deno.test("KillSwitch refuses names that no rule can have", async () => {
  await using directory = await TestDirectory.create();
  const journal = await open(directory, new FakeRunner());
  for (const name of ['a"b', "eth*", "eth+", "-o"]) {
    assert.throws(() => new KillSwitch(journal, { ...OPTIONS, links: [name] }), {
      name: "InterfaceError",
    });
  }
  assert.deepEqual(await journal.undoAll(), []);
});

Deno.test("adoptedServer() takes only what a kill switch has written", () => {
  const lasting = (handover: string) => ({
    lasting: [{ id: 1, kind: "command" as const, undo: ["x"], handover }],
  });
  for (const text of ["", "{", "{}", '{"killSwitch":2,"server":"s","addresses":[]}']) {
    assert.equal(adoptedServer(lasting(text)), null);
  }
  assert.equal(adoptedServer({ lasting: [] }), null);
});
