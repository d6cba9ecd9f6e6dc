/** The commands that ask a client in load-balance mode. */
import { deepEqual, equal, match } from "node:assert/strict";
import { ending } from "../e2e/small_lab.ts";
import { needsRoot } from "../netns/namespace.ts";
import { BalanceLab, equalStates } from "./balance_lab.ts";

Deno.test({
  name: "netns: a client that balances tells its status, and stops when it is told to",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const before = await lab.state();
    const client = await lab.start();
    const answer = async (...words: string[]) => await ending(lab.ask(...words));
    const { exitCode, text } = await answer("status");
    equal(exitCode, 0, text);
    match(text, /^Fluxify load balance over 2 uplinks, up 0:\d\d/);
    for (const uplink of ["wan1", "wan2"]) {
      match(text, new RegExp(`^ *${uplink} +IPv4 +healthy`, "m"));
    }
    const { mode, phase, balance } = JSON.parse((await answer("status", "-json")).text);
    deepEqual([mode, phase], ["load-balance", "up"]);
    deepEqual(balance.uplinks.map(({ name }: { name: string }) => name), ["wan1", "wan2"]);
    match((await answer("logs")).text, /fluxify-client balances IPv4/);
    for (const words of [["ping"], ["set", "scheduler", "flow"], ["set", "rate", "wan1=5mbit"]]) {
      const { exitCode, text } = await answer(...words);
      equal(exitCode, 1);
      match(text, new RegExp(`'${words[1] ?? words[0]}' is for bonding`));
    }
    const uplinkOf = async (name: string) => {
      const { balance } = JSON.parse((await answer("status", "-json")).text);
      return balance.uplinks.find((one: { name: string }) => one.name === name);
    };
    match((await answer("set", "link", "wan7=backup")).text, /'wan7', which is no link/);
    equal((await answer("set", "link", "wan2=metered,cap=1GB")).exitCode, 0);
    await client.waitForLine(/IPv4 goes over wan1 \(weight 1\)$/, 15_000);
    const { families, volume } = await uplinkOf("wan2");
    deepEqual([families[4].idleFor, families[4].weight, volume.capBytes], ["backup", 0, 1e9]);
    match((await answer("status")).text, /^ *wan2 +IPv4 +backup/m);
    const from = client.lineCount;
    equal((await answer("set", "link", "wan2=always")).exitCode, 0);
    await client.waitForLine(
      /IPv4 goes over wan1 \(weight \d+\), wan2 \(weight \d+\)$/,
      15_000,
      from,
    );
    match((await answer("links", "remove", "wan2")).text, /two links at least/);
    equal(
      (await answer("links", "add", "wan9")).text.trim(),
      "links: wan1, wan2, wan9\nwan9 is not there: it is used when it comes",
    );
    equal((await answer("links", "remove", "wan2")).text.trim(), "links: wan1, wan9");
    match((await answer("status")).text, /^ *wan9 +IPv4 +.*is not there/m);
    match((await answer("down")).text, /^stopped, and everything is undone/);
    equal((await client.ended).code, 0);
    equalStates(await lab.state(), before);
    equal((await answer("status")).exitCode, 3);

    const file = await Deno.makeTempFile();
    const settings = { version: 1, mode: "load-balance", ifaces: ["wan1", "wan2"] };
    await Deno.writeTextFile(file, JSON.stringify(settings));
    const up = await answer("up", "-settings", file);
    await Deno.remove(file);
    equal(up.exitCode, 0, up.text);
    match(up.text, /^up, in the background, process \d+, .*: connections over wan1, wan2$/m);
    equal((await answer("down")).exitCode, 0);
    equalStates(await lab.state(), before);
  },
});
