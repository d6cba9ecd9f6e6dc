import { deepEqual, equal, match, ok } from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { type CommandRunner, MissingProgramError } from "../command/runner.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import type { TestMachine } from "../journal/test_machine.ts";
import { passForeignChains } from "./forward_pass.ts";
import { enableNat } from "./nat.ts";
import { withJournal } from "./test_journal.ts";
import { withAlternative } from "./test_alternative.ts";
import { CLIENT_SUBNET4, CLIENT_SUBNET6, TestCrossing } from "./test_crossing.ts";

const OPTIONS = {
  tun: "srv",
  subnet4: CLIENT_SUBNET4,
  subnet6: CLIENT_SUBNET6,
  clientsReachEachOther: false,
};

const inserted = (runner: FakeRunner) =>
  runner.lines.filter((line) => / (insert|add) rule /.test(line));

function chain(family: string, table: string, name: string, policy: string) {
  return { chain: { family, table, name, type: "filter", hook: "forward", prio: 0, policy } };
}

const CONDITIONAL =
  '{"nftables":[{"rule":{"handle":7,"expr":[{"match":{}},{"drop":null}]}},{"rule":1}]}';

Deno.test("passForeignChains() changes nothing where nothing is dropped, or nft cannot tell", async () => {
  const harmless = JSON.stringify({
    nftables: [
      chain("ip", "mangle", "FORWARD", "accept"),
      chain("bridge", "filter", "FORWARD", "drop"),
      chain("inet", "bad; flush ruleset", "x", "drop"),
      { chain: { family: "inet", table: "x", name: "y", type: "nat", hook: "postrouting" } },
      { chain: "no object" },
    ],
  });
  const answers = [harmless, "", "no JSON", "[]", { code: 1, stderr: "no" }] as const;
  for (const answer of [...answers, new MissingProgramError("nft")]) {
    const runner = new FakeRunner().on("nft -j -a list chain ip mangle", CONDITIONAL)
      .on("nft -j list chains", answer);
    await withJournal(runner, async (journal) => {
      deepEqual(await passForeignChains(journal, { ...OPTIONS, iptables: "accept" }), []);
    });
    deepEqual(runner.lines.filter((line) => !/^nft -j (-a )?list/.test(line)), []);
  }
});

Deno.test("passForeignChains() says which chain it could not change, and what to do", async () => {
  const listing = JSON.stringify({ nftables: [chain("inet", "firewall", "forward", "drop")] });
  const noMarks = new FakeRunner().on("nft -j", listing)
    .on("nft -f", { code: 1, stderr: "no marks here" });
  const noInsert = new FakeRunner().on("", "").on("nft -j", listing)
    .on("nft add", { code: 1, stderr: "not allowed" });
  for (const [runner, reason] of [[noMarks, /no marks here/], [noInsert, /not allowed/]] as const) {
    await withJournal(runner, async (journal) => {
      const notices = await passForeignChains(journal, { ...OPTIONS, iptables: "as any other" });
      equal(notices.length, 1);
      match(notices[0]!, /may drop .* inet firewall forward: let those of srv pass/);
      match(notices[0]!, reason);
    });
  }
});

Deno.test("passForeignChains() leaves the chains of iptables alone where iptables has let them pass", async () => {
  const listing = JSON.stringify({ nftables: [chain("ip", "filter", "FORWARD", "drop")] });
  for (const [iptables, rules] of [["accept", 0], ["as any other", 2]] as const) {
    const runner = new FakeRunner().on("", "").on("nft -j", listing);
    await withJournal(runner, async (journal) => {
      deepEqual(await passForeignChains(journal, { ...OPTIONS, iptables }), []);
    });
    equal(inserted(runner).length, rules);
  }
});

/** As Docker 28 leaves the machine: its chains, then nothing but what they accept. */
const dockerBy = (...programs: string[]) =>
  programs.map((program) => `
  ${program} -N DOCKER-USER
  ${program} -N DOCKER-FORWARD
  ${program} -A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  ${program} -A DOCKER-FORWARD -i docker0 -j ACCEPT
  ${program} -P FORWARD DROP
  ${program} -I FORWARD -j DOCKER-FORWARD
  ${program} -I FORWARD -j DOCKER-USER`).join("\n");
const DOCKER = dockerBy("iptables", "ip6tables");

/** Docker puts its jumps on top again whenever it starts. */
const DOCKER_RESTARTS = ["iptables", "ip6tables"].map((program) => `
  ${program} -D FORWARD -j DOCKER-USER
  ${program} -D FORWARD -j DOCKER-FORWARD
  ${program} -I FORWARD -j DOCKER-FORWARD
  ${program} -I FORWARD -j DOCKER-USER`).join("\n");

const OTHER_TABLE = `
  nft add table inet firewall
  nft add chain inet firewall forward {type filter hook forward priority 0 ; policy drop ; }
  nft add rule inet firewall forward ct state invalid drop`;

/** As firewalld ends its chain, at its priority. */
const REJECTING_TABLE = `
  nft add table inet firewalld
  nft add chain inet firewalld filter_FORWARD {type filter hook forward priority 10 ; policy accept ; }
  nft add rule inet firewalld filter_FORWARD iifname lo accept
  nft add rule inet firewalld filter_FORWARD counter reject with icmpx admin-prohibited`;

/** What update-alternatives lets a machine have: the two do not see each other's rules. */
const DOCKER_LEGACY = dockerBy("iptables-legacy", "ip6tables-legacy");
/** Whoever looks at a table makes it; of the older iptables none can be removed. */
const LOOKED_AT = ["iptables", "ip6tables"].map((program) => `
  ${program} -S FORWARD
  ${program}-legacy -S FORWARD
  ${program}-legacy -t nat -S`).join("\n");

const MACHINES = [
  { what: "Docker", firewall: DOCKER, programs: ["iptables", "nft"], later: DOCKER_RESTARTS },
  { what: "a table with policy drop", firewall: OTHER_TABLE, programs: ["iptables", "nft"] },
  { what: "a table that rejects", firewall: REJECTING_TABLE, programs: ["iptables", "nft"] },
  {
    what: "Docker and both tables",
    firewall: DOCKER + OTHER_TABLE + REJECTING_TABLE,
    programs: ["iptables", "nft"],
  },
  {
    what: "Docker of iptables-legacy",
    firewall: DOCKER_LEGACY + LOOKED_AT,
    programs: ["iptables", "iptables-legacy", "nft"],
  },
  {
    what: "Docker of both iptables",
    firewall: DOCKER + DOCKER_LEGACY + LOOKED_AT,
    programs: ["iptables", "iptables-legacy", "nft"],
  },
  {
    what: "Docker of iptables on nft",
    firewall: DOCKER + LOOKED_AT,
    programs: ["iptables-legacy"],
  },
] as const;

for (const { what, firewall, programs, ...more } of MACHINES) {
  for (const program of programs) {
    Deno.test({
      name: `netns: clients' packets pass ${what}, with ${program}, and others' do not`,
      ignore: Deno.uid() !== 0,
      fn: async () => {
        await using crossing = await TestCrossing.create();
        const machine = crossing.server;
        await machine.namespace.sh(firewall);
        const before = await uncounted(machine);
        ok(!await crossing.reaches("v4"), "the firewall drops without the rules");
        const journal = await machine.openJournal();
        if (program === "nft") hideIptables(journal);
        if (program === "iptables-legacy") chooseLegacy(journal);
        const { backend, notices } = await enableNat(journal, OPTIONS);
        equal(backend.split("-")[0], program.split("-")[0]);
        equal(notices.length, program === "nft" ? 1 : 0, notices.join("; "));
        for (const change of ["", "later" in more ? more.later : ""]) {
          await machine.namespace.sh(change);
          for (const family of ["v4", "v6"] as const) {
            ok(await crossing.reaches(family), family);
            ok(!await crossing.isReached(family), `unasked, ${family}`);
          }
        }
        // What iptables cannot read it refuses to list, and Docker could not start any more.
        const own = await machine.namespace.sh("iptables -S FORWARD\nip6tables -S FORWARD");
        equal(own.includes("10.9.0.0/24"), program === "iptables");
        journal.close();
        match(
          (await machine.restoreStale()).join(),
          /^undid \d+ changes left by fluxify-test[^,]*, /,
        );
        equal(await uncounted(machine), before);
      },
    });
  }
}

for (
  const [program, firewall, count] of [
    ["iptables", "iptables -A FORWARD -i srv -o srv -j DROP", "iptables -v -x -n -L FORWARD"],
    [
      "nft",
      `${OTHER_TABLE}
    nft add rule inet firewall forward iifname srv oifname srv counter drop`,
      "nft list chain inet firewall forward",
    ],
  ] as const
) {
  Deno.test({
    name: `netns: the firewall decides whether clients reach each other, with ${program}`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using crossing = await TestCrossing.create();
      const { client, server: { namespace } } = crossing;
      await namespace.sh(firewall);
      const journal = await crossing.server.openJournal();
      if (program === "nft") hideIptables(journal);
      await enableNat(journal, OPTIONS);
      await client.sh("ip route add 10.9.0.77/32 via 10.9.0.1");
      await client.run(["ping", "-n", "-c", "1", "-W", "0.3", "10.9.0.77"]);
      match(await namespace.sh(count), /^ +1 .*DROP.* srv +srv |counter packets 1 .*drop/m);
      ok(await crossing.reaches("v4"));
      deepEqual(await journal.undoAll(), []);
    },
  });
}

/** Without the packets that iptables has counted. */
async function uncounted(machine: TestMachine): Promise<string> {
  return (await machine.snapshot()).replaceAll(/\[\d+:\d+\]/g, "");
}

Deno.test({
  name: "netns: a rule in a firewall's chain is found again after the firewall was loaded anew",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using crossing = await TestCrossing.create();
    const machine = crossing.server;
    await machine.namespace.sh(OTHER_TABLE);
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    await enableNat(journal, OPTIONS);
    // The handles that were ours are now those of rules of the firewall.
    await machine.namespace.sh(`nft delete table inet firewall\n${OTHER_TABLE}`);
    for (let rule = 0; rule < 5; rule++) {
      await machine.namespace.sh("nft add rule inet firewall forward ct state invalid drop");
    }
    deepEqual(await journal.undoAll(), []);
    const chain = await machine.namespace.sh("nft list chain inet firewall forward");
    equal(chain.match(/invalid drop/g)?.length, 6);
    await machine.namespace.sh(`nft delete table inet firewall\n${OTHER_TABLE}`);
    equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name: "netns: a second server lets its clients pass beside those of the first",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using crossing = await TestCrossing.create();
    const machine = crossing.server;
    await machine.namespace.sh(OTHER_TABLE);
    const before = await machine.snapshot();
    const first = await machine.openJournal();
    await enableNat(first, OPTIONS);
    const second = await machine.openJournal();
    await enableNat(second, { tun: "srv2", subnet4: "10.10.0.0/24", subnet6: "fd00:10::/64" });
    ok(await crossing.reaches("v4"), "with the second");
    deepEqual(await second.undoAll(), []);
    ok(await crossing.reaches("v4"), "when the second has stopped");
    deepEqual(await first.undoAll(), []);
    equal(await machine.snapshot(), before);
  },
});

/** The one that other programs' legacy rules need stays. */
function hideIptables(journal: HostJournal): void {
  replaceRunner(
    journal,
    (runner) => (argv, options) =>
      /^ip6?tables(-save)?$/.test(argv[0]!)
        ? Promise.reject(new MissingProgramError(argv[0]!))
        : runner.run(argv, options),
  );
}

function chooseLegacy(journal: HostJournal): void {
  replaceRunner(journal, (runner) => withAlternative(runner, "legacy").run);
}

function replaceRunner(
  journal: HostJournal,
  replace: (runner: CommandRunner) => CommandRunner["run"],
): void {
  Object.defineProperty(journal, "runner", { value: { run: replace(journal.runner) } });
}
