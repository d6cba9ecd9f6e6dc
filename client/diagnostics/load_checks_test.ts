import { deepEqual, equal, match } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { type Check, checksOf, summaryLines } from "./check.ts";
import { judgeLoad, loadChecks, withLoadLeftOut } from "./load_checks.ts";

const answer = (received: number, averageMs: number) =>
  `${received} packets transmitted, ${received} received, 0% packet loss\n` +
  `rtt min/avg/max/mdev = 1.0/${averageMs}/90.0/1.0 ms\n`;

Deno.test("loadChecks() fills one link after the other, and tells how long its queue gets", async () => {
  const runner = new FakeRunner()
    .on("ping -4 -n -q -I tun -i 0.2 -c", answer(10, 20))
    .on("ping -4 -n -q -I tun -i 0.2 -w", answer(14, 320.4))
    .on("ping -4 -n -q -I tun -f", answer(3052, 300));
  const used: string[] = [];
  const use = (name: string) => Promise.resolve(used.push(name) === 1);
  const target = { runner, tun: "tun", server: "10.8.0.1" };
  const [slow, silent] = await Array.fromAsync(loadChecks(target, ["dsl", "lte"], use));
  deepEqual(used, ["dsl", "lte"]);
  equal(slow!.text, "20 ms idle, 320 ms full: a queue of 300 ms at 10.0 Mbit/s each way");
  equal(slow!.state, "warning");
  match(slow!.advice!, /router of dsl/);
  equal(silent!.state, "left out");
});

Deno.test("judgeLoad() takes a short queue for well, and silence for none", () => {
  equal(judgeLoad("a", { idleMs: 20, loadedMs: 40, echoes: 9 }).state, "ok");
  equal(judgeLoad("a", { idleMs: 20, loadedMs: 19, echoes: 9 }).state, "ok");
  match(judgeLoad("a", { idleMs: 20, loadedMs: null, echoes: 0 }).text, /no answer at all/);
  equal(judgeLoad("a", { idleMs: null, loadedMs: null, echoes: 0 }).state, "warning");
});

Deno.test("a ping that knows no flood is said", async () => {
  const runner = new FakeRunner().on("ping", { code: 1, stderr: "ping: invalid option -- 'f'\n" });
  const target = { runner, tun: "tun", server: "10.8.0.1" };
  const [check] = await Array.fromAsync(loadChecks(target, ["a"], () => Promise.resolve(true)));
  match(check!.text, /ping cannot send echoes: ping: invalid option/);
  match(check!.advice!, /iputils/);
});

Deno.test("withLoadLeftOut() says why no link was filled, and never that all is well", async () => {
  const all = (checks: readonly Check[], isClientRunning: boolean) => {
    async function* given() {
      yield* checks;
    }
    return Array.fromAsync(withLoadLeftOut(given(), isClientRunning));
  };
  const fine = checksOf("DNS").ok("vpn.example.com", "192.0.2.1");
  const running = await all([fine], true);
  deepEqual(running.map(({ state }) => state), ["ok", "left out"]);
  match(running[1]!.text, /a client runs/);
  match(summaryLines(running).join("\n"), /What to do\n {2}- stop the client, then .*diag --load/);
  match((await all([fine], false))[1]!.text, /no data came through/);
  const filled = judgeLoad("dsl", { idleMs: 20, loadedMs: 40, echoes: 9 });
  deepEqual(await all([fine, filled], false), [fine, filled]);
});
