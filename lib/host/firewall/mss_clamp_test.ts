import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { type CommandRunner, MissingProgramError } from "../command/runner.ts";
import { clampMss, type MssClamp } from "./mss_clamp.ts";
import { enableNat } from "./nat.ts";
import { withJournal } from "./test_journal.ts";
import { CLIENT_SUBNET4, CLIENT_SUBNET6, TestCrossing } from "./test_crossing.ts";

const missing = () =>
  new FakeRunner().on("", "").on("iptables -w 5 -t mangle -C", { code: 1 })
    .on("ip6tables -w 5 -t mangle -C", { code: 1 });

Deno.test("clampMss() does nothing when it is off", async () => {
  const runner = new FakeRunner();
  await withJournal(runner, async (journal) => {
    deepEqual(await clampMss(journal, { tun: "t0", clamp: { kind: "off" }, backend: "nft" }), []);
  });
  deepEqual(runner.lines, []);
});

Deno.test("clampMss() keeps IPv6 packets as small as those of IPv4", async () => {
  const clamp: MssClamp = { kind: "fixed", mssBytes: 1200 };
  const runner = missing();
  await withJournal(runner, async (journal) => {
    deepEqual(await clampMss(journal, { tun: "t0", clamp, backend: "iptables" }), []);
  });
  const syn = "-p tcp -m tcp --tcp-flags SYN,RST SYN -m comment --comment fluxify -j TCPMSS";
  const rules = (program: string, mss: number) =>
    ["-o", "-i"].map((side) =>
      `${program} -w 5 -t mangle -A FORWARD ${side} t0 ${syn} --set-mss ${mss}`
    );
  deepEqual(runner.lines.filter((line) => line.includes(" -A ")), [
    ...rules("iptables", 1200),
    ...rules("ip6tables", 1180),
  ]);
});

Deno.test("clampMss() takes back half of a family's rules, and says what it means", async () => {
  const clamp: MssClamp = { kind: "pmtu" };
  const runner = missing().on("ip6tables -w 5 -t mangle -A FORWARD -i", {
    code: 2,
    stderr: "unknown target",
  });
  await withJournal(runner, async (journal) => {
    const notices = await clampMss(journal, { tun: "t0", clamp, backend: "iptables" });
    equal(notices.length, 1);
    match(notices[0]!, /cannot clamp the MSS of IPv6, .* may stall .*unknown target/);
    const six = runner.lines.filter((line) => line.startsWith("ip6tables"));
    equal(six.filter((line) => line.includes(" -D ")).length, 1);
  });
});

Deno.test("clampMss() goes on without nft's TCP options", async () => {
  const runner = new FakeRunner().on("", "").on("nft -f", { code: 1, stderr: "no exthdr" });
  await withJournal(runner, async (journal) => {
    const clamp: MssClamp = { kind: "pmtu" };
    const notices = await clampMss(journal, { tun: "t0", clamp, backend: "nft" });
    match(notices.join("\n"), /^cannot clamp the MSS of TCP through the tunnel.*no exthdr/);
  });
});

Deno.test("clampMss() refuses sizes and names that are none", async () => {
  await withJournal(new FakeRunner(), async (journal) => {
    for (const mssBytes of [499, 9001, 1200.5, NaN, Infinity, -1]) {
      const clamp: MssClamp = { kind: "fixed", mssBytes };
      await rejects(clampMss(journal, { tun: "t0", clamp, backend: "nft" }), /500 to 9000 bytes/);
    }
    const bad = { tun: 'x"; flush', clamp: { kind: "pmtu" }, backend: "nft" } as const;
    await rejects(clampMss(journal, bad), /cannot be the name/);
  });
});

for (const program of ["iptables", "nft"] as const) {
  Deno.test({
    name: `netns: ${program} clamps the MSS both ways, in both families, and leaves no trace`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using crossing = await TestCrossing.create();
      const machine = crossing.server;
      const before = await machine.snapshot();
      const cases: [MssClamp, number, number][] = [
        [{ kind: "off" }, 1460, 1440],
        [{ kind: "pmtu" }, 1360, 1340],
        [{ kind: "fixed", mssBytes: 1200 }, 1200, 1180],
        // An MSS is never raised: the ends know what they can take.
        [{ kind: "fixed", mssBytes: 9000 }, 1460, 1440],
      ];
      for (const [clamp, mss4, mss6] of cases) {
        const journal = await machine.openJournal();
        const { runner } = journal;
        const withoutIptables: CommandRunner = {
          run: (argv, options) =>
            program === "nft" && argv[0]!.includes("tables")
              ? Promise.reject(new MissingProgramError(argv[0]!))
              : runner.run(argv, options),
        };
        Object.defineProperty(journal, "runner", { value: withoutIptables });
        const { backend } = await enableNat(journal, {
          tun: "srv",
          subnet4: CLIENT_SUBNET4,
          subnet6: CLIENT_SUBNET6,
        });
        equal(backend.split("-")[0], program);
        deepEqual(await clampMss(journal, { tun: "srv", clamp, backend }), []);
        for (const from of ["client", "internet"] as const) {
          equal(await crossing.mssSeenBy(from, "v4"), mss4, `${clamp.kind}, from the ${from}`);
          equal(await crossing.mssSeenBy(from, "v6"), mss6, `${clamp.kind}, from the ${from}`);
        }
        if (clamp.kind === "pmtu") {
          // As after a crash.
          journal.close();
          await machine.restoreStale();
        } else {
          deepEqual(await journal.undoAll(), []);
        }
        equal(await machine.snapshot(), before);
      }
    },
  });
}
