import assert from "node:assert/strict";
import { type CommandRunner, MissingProgramError } from "../../command/runner.ts";
import { withAlternative } from "../test_alternative.ts";
import { KillSwitch } from "./kill_switch.ts";
import {
  enableKillSwitch,
  openJournal,
  SITE_OPTIONS,
  stateOf,
  STRANGER,
  TestSite,
} from "./test_site.ts";

const TABLE = "inet fluxify_kill_switch";
const both = (rule: string) => `iptables -t mangle ${rule}\nip6tables -t mangle ${rule}`;

const DEEDS = [
  { backend: "nft", deed: `nft flush table ${TABLE}`, said: /changed the kill switch/ },
  {
    backend: "nft",
    deed:
      `nft chain ${TABLE} postrouting { policy accept ; }\nnft flush chain ${TABLE} postrouting`,
    said: /changed the kill switch/,
  },
  {
    backend: "nft",
    deed: `nft insert rule ${TABLE} postrouting accept`,
    said: /changed the kill switch/,
  },
  {
    backend: "nft",
    deed: `nft add table ${TABLE} { flags dormant ; }`,
    said: /changed the kill switch/,
  },
  { backend: "iptables", deed: both("-F fluxify-kill-out"), said: /changed the kill switch/ },
  {
    backend: "iptables",
    deed: both("-I fluxify-kill-out 1 -j RETURN"),
    said: /changed the kill switch/,
  },
  {
    backend: "iptables",
    deed: both("-D POSTROUTING -j fluxify-kill-out"),
    said: /removed the kill switch/,
  },
  {
    backend: "iptables",
    deed: both("-I POSTROUTING 1 -j ACCEPT"),
    // The table has come into use by others, and stays.
    undo: "nft delete table ip mangle\nnft delete table ip6 mangle",
    said: /put a rule of iptables before the kill switch: it is first again/,
  },
] as const;

for (const { backend, deed, said, ...more } of DEEDS) {
  Deno.test({
    name: `netns: the kill switch is put back after: ${deed}`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using site = await TestSite.create();
      const { namespace } = site.machine;
      const { before, journal, killSwitch } = await enableKillSwitch(site, backend);
      assert.deepEqual(await killSwitch.follow(), []);
      await namespace.sh(deed);
      assert.match((await killSwitch.follow()).join(), said);
      assert.deepEqual(await site.strangersReached(namespace), []);
      await site.ping(namespace, "10.77.0.1");
      assert.deepEqual(await killSwitch.follow(), []);
      assert.deepEqual(await journal.undoAll(), []);
      if ("undo" in more) await namespace.sh(more.undo);
      assert.equal(await stateOf(site), before);
    },
  });
}

Deno.test({
  name: "netns: the kill switch gives up the first place to a program that takes it for ever",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using site = await TestSite.create();
    const { namespace } = site.machine;
    const { before, journal, killSwitch } = await enableKillSwitch(site, "iptables");
    const said: string[] = [];
    for (let round = 0; round < 15; round++) {
      await namespace.sh("iptables -t mangle -I POSTROUTING 1 -j ACCEPT");
      said.push(...await killSwitch.follow());
    }
    assert.equal(said.filter((line) => /it is first again/.test(line)).length, 9);
    assert.match(said.at(-1)!, /keeps putting rules .* before the kill switch/);
    assert.equal(said.length, 10);
    for (let round = 0; round < 15; round++) {
      await namespace.sh("iptables -t mangle -D POSTROUTING -j ACCEPT");
    }
    assert.deepEqual(await killSwitch.follow(), []);
    assert.ok(!await site.reaches(namespace, STRANGER, 53));
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await stateOf(site), before);
  },
});

/** As on a machine where there is no other name than iptables, nor was for an older version. */
function plainNames(runner: CommandRunner): CommandRunner {
  return {
    run: (argv, options) =>
      /-nft(-|$)/.test(argv[0]!)
        ? Promise.reject(new MissingProgramError(argv[0]!))
        : runner.run(argv, options),
  };
}

Deno.test({
  name: "netns: a kill switch under the name iptables alone is taken over by the exact name",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using site = await TestSite.create();
    const { namespace } = site.machine;
    const before = await stateOf(site);
    const crashed = await openJournal(site, "iptables", plainNames(namespace));
    await new KillSwitch(crashed, SITE_OPTIONS).enable();
    crashed.close();
    await namespace.sh("iptables -t mangle -I POSTROUTING 1 -j ACCEPT");

    const journal = await openJournal(site, "iptables");
    await site.machine.restoreStale({ lasting: journal });
    const killSwitch = new KillSwitch(journal, SITE_OPTIONS);
    await killSwitch.enable();
    assert.deepEqual(await site.strangersReached(namespace), []);
    assert.deepEqual(await killSwitch.follow(), []);
    assert.deepEqual(await journal.undoAll(), []);
    await namespace.sh("nft delete table ip mangle");
    assert.equal(await stateOf(site), before);

    const restored = await openJournal(site, "iptables", plainNames(namespace));
    await new KillSwitch(restored, SITE_OPTIONS).enable();
    restored.close();
    assert.match((await site.machine.restoreStale()).join(), /undid \d+ changes/);
    assert.equal(await stateOf(site), before);
  },
});

Deno.test({
  name: 'netns: the kill switch is lifted when "iptables" means the other one by then',
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using site = await TestSite.create();
    const { namespace } = site.machine;
    await namespace.sh("iptables-legacy -t mangle -S\nip6tables-legacy -t mangle -S");
    const uncounted = async () => (await stateOf(site)).replaceAll(/\[\d+:\d+\]/g, "");
    const before = await uncounted();
    const journal = await openJournal(site, "iptables", withAlternative(namespace, "legacy"));
    await new KillSwitch(journal, SITE_OPTIONS).enable();
    assert.ok(!await site.reaches(namespace, STRANGER, 53));
    journal.close();
    assert.match((await site.machine.restoreStale()).join(), /undid \d+ changes/);
    assert.equal(await uncounted(), before);
    assert.ok(await site.reaches(namespace, STRANGER, 53));
  },
});
