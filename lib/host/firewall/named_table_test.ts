import { deepEqual, equal, ok } from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { TestNamespace } from "../../../testing/test_namespace.ts";
import { NamedTable } from "./named_table.ts";
import { withJournal } from "./test_journal.ts";

const HOUR_MS = 3_600_000;

Deno.test("addresses are written once for a while, many at a time, by family", async () => {
  const runner = new FakeRunner().on("nft", "");
  await withJournal(runner, async (journal) => {
    const table = new NamedTable(journal, "tunnel");
    await table.enable();
    const written = () => runner.calls.slice(1).map(({ input }) => input);
    await Promise.all([
      table.add(["192.0.2.1"], 0),
      table.add(["192.0.2.2", "2001:db8::1"], 0),
      table.add(["192.0.2.1", "192.0.2.2"], 1000),
    ]);
    deepEqual(written(), [
      [
        "add element inet fluxify_names_tunnel names4 { 192.0.2.1, 192.0.2.2 }",
        "delete element inet fluxify_names_tunnel names4 { 192.0.2.1, 192.0.2.2 }",
        "add element inet fluxify_names_tunnel names4 { 192.0.2.1 timeout 3600s, 192.0.2.2 timeout 3600s }",
        "add element inet fluxify_names_tunnel names6 { 2001:db8::1 }",
        "delete element inet fluxify_names_tunnel names6 { 2001:db8::1 }",
        "add element inet fluxify_names_tunnel names6 { 2001:db8::1 timeout 3600s }",
        "",
      ].join("\n"),
    ]);
    await table.add(["192.0.2.1"], 1000);
    equal(written().length, 1);
    await table.add(["192.0.2.1"], HOUR_MS / 2);
    equal(written().length, 2);
  });
});

Deno.test("what nft refuses is tried again with the next answer", async () => {
  let code = 0;
  const runner = new FakeRunner().on("nft", () => ({ code, stderr: "set is full" }));
  await withJournal(runner, async (journal) => {
    const table = new NamedTable(journal, "tunnel");
    await table.enable();
    code = 1;
    let failure = "";
    await table.add(["192.0.2.1"], 0).catch((error) => failure = String(error));
    ok(failure.includes("set is full"), failure);
    code = 0;
    const before = runner.calls.length;
    await table.add(["192.0.2.1"], 0);
    equal(runner.calls.length, before + 1);
  });
});

Deno.test({
  name: "netns: nft takes the table, addresses of both families, and the same ones again",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await TestNamespace.create("named");
    await withJournal(machine, async (journal) => {
      const table = new NamedTable(journal, "tunnel");
      await table.enable();
      for (const nowMs of [0, HOUR_MS]) await table.add(["192.0.2.1", "2001:db8::1"], nowMs);
      const { stdout } = await machine.run([
        "nft",
        "list",
        "table",
        "inet",
        "fluxify_names_tunnel",
      ]);
      for (const what of ["192.0.2.1 timeout 1h", "2001:db8::1 timeout 1h", "ct mark"]) {
        ok(stdout.includes(what) || stdout.includes(what.replace(" timeout 1h", "")), stdout);
      }
    });
    const { stdout } = await machine.run(["nft", "list", "tables"]);
    equal(stdout.trim(), "");
  },
});
