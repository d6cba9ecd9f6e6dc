import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { type CommandRunner, MissingProgramError } from "../command/runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { addRules } from "./iptables.ts";
import { UplinkNat } from "./uplink_nat.ts";
import { withAlternative } from "./test_alternative.ts";
import { uplinkChains } from "./uplink_nft.ts";
import { markWithMask, uplinkMark, uplinkRules } from "./uplink_rules.ts";

const UPLINKS = [
  { device: "fiber", slot: 1, addresses: ["192.0.2.10"], source: null },
  { device: "mobile", slot: 2, addresses: [], source: null },
];
const UPLINKS6 = [
  { device: "fiber", slot: 1, addresses: ["2001:db8:1::10"], source: null },
  { device: "mobile", slot: 2, addresses: [], source: null },
];

Deno.test("uplinkMark() keeps to its bits", () => {
  assert.equal(markWithMask(uplinkMark(1)), "0x1000000/0x3f000000");
  assert.equal(markWithMask(uplinkMark(63)), "0x3f000000/0x3f000000");
  for (const slot of [0, 64, 1.5, -1]) assert.throws(() => uplinkMark(slot), RangeError);
});

Deno.test("uplinkRules() masquerades each uplink once and tags every rule", () => {
  const rules = uplinkRules(UPLINKS);
  assert.deepEqual(
    rules.filter(({ table }) => table === "nat").map(({ match, target }) => [...match, ...target]),
    [["-o", "fiber", "MASQUERADE"], ["-o", "mobile", "MASQUERADE"]],
  );
  assert.ok(rules.every(({ tag }) => tag === "fluxify-balance"));
  assert.throws(() => uplinkRules([{ device: "-x", slot: 1, addresses: [], source: null }]), {
    name: "InterfaceError",
  });
});

Deno.test("uplinkRules() gives an uplink the source that its route prescribes", () => {
  const uplinks = [{ ...UPLINKS[0]!, source: "192.0.2.77" }, UPLINKS[1]!];
  const targets = uplinkRules(uplinks).filter(({ table }) => table === "nat")
    .map(({ target }) => target.join(" "));
  assert.deepEqual(targets, ["SNAT --to-source 192.0.2.77", "MASQUERADE"]);
  assert.match(
    uplinkChains(4, uplinks).join("\n"),
    /oifname "fiber" snat to 192\.0\.2\.77 comment/,
  );
});

Deno.test("UplinkNat.follow() replaces the rule of an uplink that gets another source", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("", "").on("iptables -w 5 -t nat -C", { code: 1 });
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const nat = new UplinkNat(journal, 4);
  await nat.follow(UPLINKS);
  runner.calls.length = 0;
  await nat.follow([{ ...UPLINKS[0]!, source: "192.0.2.77" }, UPLINKS[1]!]);
  await nat.follow([{ ...UPLINKS[0]!, source: "192.0.2.77" }, UPLINKS[1]!]);
  const changes = runner.lines.filter((line) => / -[AID] /.test(line))
    .map((line) => line.replace(/^iptables -w 5 -t nat /, "").replace(/ -m comment .* -j/, " -j"));
  assert.deepEqual(changes, [
    "-A POSTROUTING -o fiber -j SNAT --to-source 192.0.2.77",
    "-D POSTROUTING -o fiber -j MASQUERADE",
  ]);
  assert.deepEqual(await journal.undoAll(), []);
});

Deno.test("uplinkRules() leaves packets of sockets alone that bear a mark of others", () => {
  const restoring = uplinkRules(UPLINKS).filter(({ target }) => target.includes("--restore-mark"));
  assert.deepEqual(
    restoring.map(({ chain, match }) => [chain, match.join(" ").includes("mark 0x0/0xc0ffffff")]),
    [["PREROUTING", false], ["OUTPUT", true]],
  );
  const nft = uplinkChains(4, UPLINKS).join("\n").split("\n").filter((line) =>
    line.includes("mark set meta")
  );
  assert.equal(nft.length, 4);
  assert.equal(nft.filter((line) => /^ +meta mark and 0xc0ffffff == 0x0 /.test(line)).length, 2);
});

Deno.test("UplinkNat.follow() adds nothing that is there, and so removes nothing", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("", "");
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  assert.equal(await new UplinkNat(journal, 4).follow(UPLINKS), null);
  await journal.undoAll();
  assert.deepEqual(runner.lines.filter((line) => / -[AID] /.test(line)), []);
});

Deno.test("UplinkNat.follow() takes back what it did when a rule is refused", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("", "").on("iptables -w 5 -t mangle -C", { code: 1 })
    .on("iptables -w 5 -t mangle -A OUTPUT", { code: 2, stderr: "no such match" });
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  await assert.rejects(new UplinkNat(journal, 4).follow(UPLINKS), /no such match/);
  const count = (verb: string) => runner.lines.filter((line) => line.includes(verb)).length;
  assert.equal(count(" -A PREROUTING"), 4);
  assert.equal(count(" -D PREROUTING"), 4);
  await journal.undoAll();
});

for (const program of ["iptables", "nft"] as const) {
  Deno.test({
    name: `netns: ${program} marks and masquerades both families and leaves no trace`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using machine = await TestMachine.create("uplinks");
      const before = await machine.snapshot();
      const journal = await machine.openJournal();
      const runner: CommandRunner = {
        run: (argv, options) =>
          program === "nft" && argv[0]!.includes("tables")
            ? Promise.reject(new MissingProgramError(argv[0]!))
            : machine.namespace.run(argv, options),
      };
      Object.defineProperty(journal, "runner", { value: runner });
      for (const [family, uplinks] of [[4, UPLINKS], [6, UPLINKS6]] as const) {
        const notice = await new UplinkNat(journal, family).follow(uplinks);
        assert.equal(notice === null, program === "iptables");
      }
      // nft shows a target of ip6tables without its name.
      const listing = program === "nft"
        ? await machine.namespace.sh("nft list ruleset")
        : await machine.namespace.sh("iptables-save\nip6tables-save");
      assert.equal(listing.match(/fiber"?.* masquerade/gi)?.length, 2, listing);
      assert.equal(listing.match(/mobile"?.* masquerade/gi)?.length, 2, listing);
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await machine.snapshot(), before);
    },
  });
}

for (const [chosen, later] of [["nft", "legacy"], ["legacy", "nft"]] as const) {
  Deno.test({
    name: `netns: rules of iptables-${chosen} go when "iptables" means iptables-${later} by then`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using machine = await TestMachine.create("uplinks");
      // What iptables-legacy has looked at once has tables for as long as the namespace lives.
      await machine.namespace.sh(`
        iptables-legacy -t nat -S
        iptables-legacy -t mangle -S
        ip6tables-legacy -t nat -S
        ip6tables-legacy -t mangle -S
      `);
      const uncounted = async () => (await machine.snapshot()).replaceAll(/\[\d+:\d+\]/g, "");
      const before = await uncounted();
      const journal = await machine.openJournal();
      const { runner } = journal;
      const choose = (variant: "nft" | "legacy") =>
        Object.defineProperty(journal, "runner", { value: withAlternative(runner, variant) });
      choose(chosen);
      assert.equal(await new UplinkNat(journal, 4).follow(UPLINKS), null);
      assert.equal(await new UplinkNat(journal, 6).follow(UPLINKS6), null);
      const rules = await machine.namespace.sh(`iptables-${chosen}-save\nip6tables-${chosen}-save`);
      assert.equal(rules.match(/-j MASQUERADE/g)?.length, 4);
      choose(later);
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await uncounted(), before);
    },
  });
}

Deno.test({
  name: "netns: rules that a journal has under the name iptables alone are removed",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("uplinks");
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    await addRules(journal, "iptables", uplinkRules(UPLINKS));
    await addRules(journal, "ip6tables", uplinkRules(UPLINKS6));
    journal.close();
    assert.match((await machine.restoreStale()).join(), /^undid \d+ changes/);
    assert.equal(await machine.snapshot(), before);
  },
});
