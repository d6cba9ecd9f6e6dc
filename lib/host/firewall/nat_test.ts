import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { type CommandRunner, MissingProgramError } from "../command/runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { enableNat } from "./nat.ts";
import { withJournal } from "./test_journal.ts";

/** No rule is there yet; the tables are. */
const emptyTables = () =>
  new FakeRunner().on("", "").on("iptables-save", "*nat\n*filter\n")
    .on("ip6tables-save", "*nat\n*filter\n")
    .on("iptables -w 5 -t nat -C", { code: 1 }).on("iptables -w 5 -t filter -C", { code: 1 })
    .on("ip6tables -w 5 -t nat -C", { code: 1 }).on("ip6tables -w 5 -t filter -C", { code: 1 });

const changes = (runner: FakeRunner) =>
  runner.lines.filter((line) => / -[AID] | -f | delete /.test(line));

Deno.test("enableNat() restricts the ways out to those asked for", async () => {
  const runner = emptyTables();
  await withJournal(runner, async (journal) => {
    await enableNat(journal, { tun: "tun0", subnet4: "10.9.0.0/24", egress: ["eth0", "eth1"] });
  });
  const tag = "-m comment --comment fluxify -j";
  assert.deepEqual(changes(runner).filter((line) => line.startsWith("iptables")).slice(0, 4), [
    `iptables -w 5 -t nat -A POSTROUTING -s 10.9.0.0/24 -o eth0 ${tag} MASQUERADE`,
    `iptables -w 5 -t nat -A POSTROUTING -s 10.9.0.0/24 -o eth1 ${tag} MASQUERADE`,
    `iptables -w 5 -t filter -A FORWARD -i tun0 ! -o tun0 -s 10.9.0.0/24 ${tag} ACCEPT`,
    "iptables -w 5 -t filter -A FORWARD -o tun0 -d 10.9.0.0/24 " +
    `-m conntrack --ctstate RELATED,ESTABLISHED,DNAT ${tag} ACCEPT`,
  ]);
  assert.equal(changes(runner).length, 16);
});

Deno.test("enableNat() adds nothing that is there, and so removes nothing", async () => {
  const runner = new FakeRunner().on("", "");
  await withJournal(runner, async (journal) => {
    assert.deepEqual((await enableNat(journal, { tun: "tun0" })).notices, []);
  });
  assert.deepEqual(changes(runner), []);
});

Deno.test("enableNat() goes on with IPv4 when IPv6 cannot be had", async () => {
  const noTable = emptyTables()
    .on("ip6tables -w 5 -t nat -S", { code: 3, stderr: "Table does not exist" });
  const noTarget = emptyTables()
    .on("ip6tables -w 5 -t filter -A", { code: 2, stderr: "unknown match" });
  const noProgram = emptyTables().on("ip6tables", new MissingProgramError("ip6tables"));
  for (const runner of [noTable, noTarget, noProgram]) {
    await withJournal(runner, async (journal) => {
      const { backend, notices } = await enableNat(journal, { tun: "tun0" });
      assert.equal(backend, "iptables");
      assert.match(notices.join(), /over IPv4 only/);
      const six = changes(runner).filter((line) => line.startsWith("ip6tables"));
      const count = (verb: string) => six.filter((line) => line.includes(verb)).length;
      assert.equal(count("nat -D "), count("nat -A "), "what was added is taken back");
      assert.equal(changes(runner).filter((line) => line.startsWith("iptables")).length, 3);
    });
  }
});

Deno.test("enableNat() refuses names and networks that are none", async () => {
  await withJournal(new FakeRunner(), async (journal) => {
    await assert.rejects(enableNat(journal, { tun: 'x"' }), /cannot be the name/);
    await assert.rejects(enableNat(journal, { tun: "tun0", egress: ["-j"] }), /cannot be/);
    await assert.rejects(enableNat(journal, { tun: "tun0", subnet4: "any; x" }), /not a network/);
  });
});

Deno.test("enableNat() uses nft without iptables, and IPv4 alone where nft refuses IPv6", async () => {
  const runner = new FakeRunner().on("", "").on("iptables", new MissingProgramError("iptables"))
    .on("nft list table", { code: 1 })
    .on("nft -f", (_, input) => input?.includes("ip6") ? { code: 1, stderr: "no ip6" } : "");
  await withJournal(runner, async (journal) => {
    const { backend, notices } = await enableNat(journal, { tun: "tun0" });
    assert.equal(backend, "nft");
    assert.match(notices[0]!, /apt-get install iptables.*using nft/);
    assert.match(notices[1]!, /over IPv4 only/);
  });
  assert.equal(runner.lines.at(-1), "nft delete table inet fluxify");

  await withJournal(runner.on("nft list table", ""), async (journal) => {
    await assert.rejects(enableNat(journal, { tun: "tun0" }), /is there already/);
  });
});

Deno.test("enableNat() names both programs where there is neither", async () => {
  const runner = new FakeRunner().on("iptables", new MissingProgramError("iptables"))
    .on("nft", new MissingProgramError("nft"));
  await withJournal(runner, async (journal) => {
    await assert.rejects(
      enableNat(journal, { tun: "tun0" }),
      /apt-get install iptables".*apt-get install nftables"/,
    );
  });
  assert.deepEqual(changes(runner), []);
});

/** As if only nft were installed. */
function withoutIptables(runner: CommandRunner): CommandRunner {
  return {
    run: (argv, options) =>
      argv[0]?.includes("tables")
        ? Promise.reject(new MissingProgramError(argv[0]))
        : runner.run(argv, options),
  };
}

Deno.test({
  name: "netns: rules pass Docker's policy, are added once and leave no trace",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("nat");
    const untouched = await machine.snapshot();
    for (const docker of ["", "iptables -P FORWARD DROP", "iptables -A FORWARD -j DROP"]) {
      await machine.namespace.sh(docker);
      const before = await machine.snapshot();
      const journal = await machine.openJournal();
      const options = { tun: "tunnel" };
      const { backend, notices } = await enableNat(journal, options);
      assert.deepEqual([backend.split("-")[0], notices], ["iptables", []]);
      const during = await machine.snapshot();
      await enableNat(journal, options);
      assert.equal(await machine.snapshot(), during);
      const forward = await machine.namespace.sh("iptables -S FORWARD");
      assert.match(
        forward,
        /^-P.*\n-A FORWARD -s 10\.8\.0\.0\/24 -i tunnel ! -o tunnel .* ACCEPT\n.*-o tunnel/,
      );
      if (docker === "") {
        assert.deepEqual(await journal.undoAll(), []);
      } else {
        journal.close();
        await machine.restoreStale();
      }
      assert.equal(await machine.snapshot(), before);
    }
    assert.notEqual(await machine.snapshot(), untouched, "Docker's own rules are still there");
  },
});

Deno.test({
  name: "netns: a table of iptables that came into use meanwhile stays",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("nat");
    const journal = await machine.openJournal();
    await enableNat(journal, { tun: "tunnel" });
    await machine.namespace.sh(`
      iptables -t nat -A POSTROUTING -o fiber -j MASQUERADE
      iptables -P FORWARD DROP
      ip6tables -A INPUT -i lo -j ACCEPT
    `);
    assert.deepEqual(await journal.undoAll(), []);
    const rules = await machine.namespace.sh("iptables-save\nip6tables-save");
    assert.match(rules, /-A POSTROUTING -o fiber -j MASQUERADE/);
    assert.match(rules, /:FORWARD DROP/);
    assert.match(rules, /-A INPUT -i lo -j ACCEPT/);
    assert.doesNotMatch(rules, /fluxify/);
  },
});

Deno.test({
  name: "netns: nft alone masquerades both families and leaves no trace",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("nat");
    const before = await machine.snapshot();
    for (const egress of [[], ["fiber", "mobile"]]) {
      await using directory = await TestDirectory.create();
      const journal = await HostJournal.open({
        program: "t",
        runner: withoutIptables(machine.namespace),
        directory: directory.path,
      });
      const { backend, notices } = await enableNat(journal, { tun: "tunnel", egress });
      assert.deepEqual([backend, notices.length], ["nft", 1]);
      const table = await machine.namespace.sh("nft list table inet fluxify");
      assert.equal(table.match(/masquerade comment "fluxify"/g)?.length, 2);
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await machine.snapshot(), before);
    }
  },
});

Deno.test({
  name: "netns: what an operator drops stays dropped, before and behind our rules",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("nat");
    const drop = "iptables -A FORWARD -s 10.8.0.5/32 -j DROP";
    for (const rest of ["", "iptables -A FORWARD -j REJECT", "iptables -P FORWARD DROP"]) {
      await machine.namespace.sh(`iptables -F FORWARD\n${drop}\n${rest}`);
      const journal = await machine.openJournal();
      await enableNat(journal, { tun: "tunnel" });
      const rules = (await machine.namespace.sh("iptables -S FORWARD")).split("\n");
      const at = (pattern: RegExp) => rules.findIndex((rule) => pattern.test(rule));
      assert.ok(at(/10\.8\.0\.5/) < at(/fluxify/), rules.join("\n"));
      if (rest.includes("REJECT")) assert.ok(at(/fluxify/) < at(/-j REJECT/), rules.join("\n"));
      assert.deepEqual(await journal.undoAll(), []);
    }
  },
});

Deno.test({
  name: "netns: rules that another program removes come back before the one that drops all",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("nat");
    const reject = "iptables -A FORWARD -j REJECT";
    await machine.namespace.sh(`iptables -A FORWARD -s 10.8.0.5/32 -j DROP\n${reject}`);
    const journal = await machine.openJournal();
    await enableNat(journal, { tun: "tunnel" });
    for (const rest of ["", reject, `iptables -A FORWARD -i lo -j ACCEPT\n${reject}`]) {
      await machine.namespace.sh(`iptables -F FORWARD\n${rest}`);
      assert.equal((await journal.putBack()).length, 1);
      const rules = (await machine.namespace.sh("iptables -S FORWARD")).split("\n");
      const ours = rules.flatMap((rule, index) => rule.includes("fluxify") ? [index] : []);
      assert.equal(ours.length, 2, rules.join("\n"));
      const last = rules.findIndex((rule) => rule.includes("REJECT"));
      if (rest !== "") assert.ok(ours.every((index) => index < last), rules.join("\n"));
      assert.deepEqual(await journal.putBack(), []);
    }
    assert.deepEqual(await journal.undoAll(), []);
  },
});
