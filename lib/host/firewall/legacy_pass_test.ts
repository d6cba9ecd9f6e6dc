import { deepEqual, equal, match } from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { MissingProgramError } from "../command/runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { passLegacyTables } from "./legacy_pass.ts";

const OPTIONS = {
  tun: "srv",
  subnet4: "10.9.0.0/24",
  subnet6: "fd00:9::/64",
  clientsReachEachOther: false,
};

async function notices(runner: FakeRunner): Promise<string[]> {
  await using directory = await TestDirectory.create();
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const lines = await passLegacyTables(journal, OPTIONS);
  deepEqual(await journal.undoAll(), []);
  return lines;
}

Deno.test("passLegacyTables() does not touch the older iptables where nobody uses it", async () => {
  for (const answer of ["", "nat\nmangle\n", { code: 1, stderr: "No such file" }]) {
    const runner = new FakeRunner().on("cat", answer);
    deepEqual(await notices(runner), []);
    deepEqual(runner.lines.filter((line) => !line.startsWith("cat ")), []);
  }
});

Deno.test("passLegacyTables() leaves a chain alone that lets everything pass", async () => {
  const runner = new FakeRunner().on("cat", "filter\n").on("iptables-legacy", "-P FORWARD ACCEPT\n")
    .on("ip6tables-legacy", "-P FORWARD ACCEPT\n");
  deepEqual(await notices(runner), []);
  deepEqual(runner.lines.filter((line) => / -[AIDC] /.test(line)), []);
});

Deno.test("passLegacyTables() says which chain it could not change, and what to do", async () => {
  const missing = new FakeRunner().on("cat", "filter\n")
    .on("iptables-legacy", new MissingProgramError("iptables-legacy"))
    .on("ip6tables-legacy", "-P FORWARD ACCEPT\n");
  const refused = new FakeRunner().on("", "").on("cat", "filter\n")
    .on("iptables-legacy -w 5 -t filter -S", "-P FORWARD DROP\n")
    .on("iptables-legacy -w 5 -t filter -C", { code: 1 })
    .on("iptables-legacy -w 5 -t filter -A", { code: 4, stderr: "no such match" });
  for (
    const [runner, reason] of [[missing, /apt-get install iptables/], [
      refused,
      /such match/,
    ]] as const
  ) {
    const lines = await notices(runner);
    equal(lines.length, 1);
    match(lines[0]!, /may drop .* FORWARD chain of iptables-legacy: let those of srv pass there/);
    match(lines[0]!, reason);
  }
});
