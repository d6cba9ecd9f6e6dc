import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Arguments } from "../../lib/status/local_socket/message.ts";
import { Refusal } from "../../lib/status/local_socket/message.ts";
import { pathReport, sessionReport } from "../../lib/status/test_session_report.ts";
import { whileRunning } from "../local_socket/client_socket.ts";
import { type BondCommandParts, bondCommands } from "./bond_commands.ts";

function setUp(changes: Partial<BondCommandParts> = {}) {
  const done: string[] = [];
  const parts: BondCommandParts = {
    engine: {
      report: () => Promise.resolve([{ ...sessionReport([pathReport(0, "one")]), id: 7 }]),
      probePaths: (session) => void done.push(`probe ${session}`),
    },
    controls: {
      useScheduler: (name) => void done.push(`scheduler ${name}`),
      useCompression: (mode) => void done.push(`compression ${mode}`),
      useDns: (servers) => {
        if (servers[0] === "192.0.2.1") return Promise.reject(new Error("no room"));
        done.push(`dns ${servers.join(",")}`);
        return Promise.resolve();
      },
      useRates: (rates) => void done.push(`rates ${JSON.stringify([...rates])}`),
      useUses: (uses) => void done.push(`uses ${JSON.stringify([...uses])}`),
      links: ["one", "two"],
      useLinks: (names) => void done.push(`links ${names.join(", ")}`),
    },
    sessionId: () => 7,
    pause: () => Promise.resolve(),
    ...changes,
  };
  const commands = bondCommands(() => parts);
  const ask = async (command: keyof typeof commands, args: Arguments) =>
    await commands[command](args, "user 0, process 1");
  const refused = (command: keyof typeof commands, args: Arguments, code: string, text: RegExp) =>
    rejects(ask(command, args), (error) => {
      equal(error instanceof Refusal && error.code, code);
      return text.test((error as Error).message);
    });
  return { ask, done, refused, parts };
}

Deno.test("what is set and added reaches the client", async () => {
  const { ask, done } = setUp();
  const set = { setting: "scheduler", value: "stripe" };
  deepEqual(await ask("set", set), set);
  await ask("set", { setting: "compression", value: "always" });
  const links = ["one", "two"];
  deepEqual(await ask("links", { action: "add", link: "six" }), { links, isPresent: false });
  for (const value of ["192.0.2.2,2001:db8::1", "off"]) await ask("set", { setting: "dns", value });
  await ask("set", { setting: "rate", value: "one=50/10mbit" });
  await ask("set", { setting: "link", value: "two=metered,cap=1GB" });
  deepEqual(done, [
    ...["scheduler stripe", "compression always", "links one, two, six"],
    ...["dns 192.0.2.2,2001:db8::1", "dns "],
    'rates [["one",{"down":6250000,"up":1250000}]]',
    'uses [["two",{"kind":"metered","capBytes":1000000000}]]',
  ]);
});

Deno.test("what is no setting, no value, no new link or no number is refused, and changes nothing", async () => {
  const { done, refused } = setUp();
  await refused("set", { setting: "mtu", value: "x" }, "bad argument", /compression, dns/);
  await refused("set", { setting: "dns", value: "x" }, "bad argument", /-dns/);
  await refused("set", { setting: "dns", value: "192.0.2.1" }, "not possible", /no room/);
  await refused("set", { setting: "scheduler", value: "off" }, "bad argument", /flow, stripe/);
  await refused("set", { setting: "rate", value: "one=0mbit" }, "bad argument", /100kbit to/);
  await refused("set", { setting: "link", value: "one=never" }, "bad argument", /backup, metered/);
  await refused("set", { setting: "scheduler" }, "bad argument", /flow/);
  await refused("links", { action: "add", link: "two" }, "not possible", /is a link already/);
  for (const count of [0, 101, 1.5, "5"]) {
    await refused("ping", { count }, "bad argument", /from 1 to 100/);
  }
  deepEqual(done, []);
});

Deno.test("a ping is refused without a session, and beside another one", async () => {
  const without = setUp({ sessionId: () => null });
  await without.refused("ping", {}, "not possible", /there is no session/);
  const held = Promise.withResolvers<void>();
  const { ask, done, refused } = setUp({ pause: () => held.promise });
  const first = ask("ping", { count: 1 });
  await refused("ping", {}, "busy", /another ping is under way/);
  held.resolve();
  await first;
  deepEqual(done, ["probe 7"]);
  await ask("ping", { count: 2 });
  equal(done.length, 3);
});

Deno.test("a client that is still starting, or stopping already, says so", async () => {
  const { parts } = setUp();
  for (
    const [running, signal, text] of [
      [null, new AbortController().signal, /is starting/],
      [parts, AbortSignal.abort(), /is stopping/],
    ] as const
  ) {
    const commands = bondCommands(() => whileRunning(running, signal));
    for (const command of ["set", "links", "ping"] as const) {
      await rejects(
        async () => await commands[command]({}, "somebody"),
        (error) => error instanceof Refusal && text.test(error.message),
      );
    }
  }
});
