import { doesNotMatch, equal, match, ok, rejects } from "node:assert/strict";
import { Namespace, needsRoot } from "../../tests/netns/namespace.ts";
import { configure } from "../../tests/netns/veth.ts";
import { Emulator } from "./emulator.ts";
import type { ConfigurationInput } from "./control.ts";
import { bestOf } from "../../tests/support/best_of.ts";

/*
 *   left                      emulator                       right
 *     one    10.2.1.1/24 ==== one-a .. one-b ==== 10.2.1.2/24    one
 *     ...
 */
async function cable(links: ConfigurationInput["links"]) {
  await using stack = new AsyncDisposableStack();
  const left = stack.use(await Namespace.create("left"));
  const right = stack.use(await Namespace.create("right"));
  const emulator = stack.use(await Emulator.start({ links }));
  for (const [i, { name }] of links.entries()) {
    await emulator.place(name, { namespace: left, name }, { namespace: right, name });
    await configure(left, { name, addresses: [`10.2.${i + 1}.1/24`] });
    await configure(right, { name, addresses: [`10.2.${i + 1}.2/24`] });
  }
  const cleanup = stack.move();
  return { left, right, emulator, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

/** Round trip times of `count` pings, in milliseconds; shorter than `count` when some were lost. */
async function ping(from: Namespace, address: string, count: number): Promise<number[]> {
  const { stdout } = await from.run(
    ...["sh", "-c", `ping -c${count} -i0.02 -W1 ${address} || true`],
  );
  return [...stdout.matchAll(/time=([\d.]+) ms/g)].map((match) => Number(match[1]));
}

/** Goodput in Mbit/s of one TCP flow from left to right, without its first second. */
async function goodput(left: Namespace, address: string, port: number): Promise<number> {
  const { stdout } = await left.run(
    ...["iperf3", "-J", "-c", address, "-p", String(port), "-t", "3", "-O", "1"],
  );
  return JSON.parse(stdout).end.sum_received.bits_per_second / 1e6;
}

async function serveIperf(right: Namespace, ports: number[]): Promise<void> {
  for (const port of ports) {
    const server = right.spawn(["iperf3", "-s", "-p", String(port), "--forceflush"]);
    await server.waitForLine(/listening/, 5_000);
  }
}

Deno.test({
  name: "netns: a link has its delay",
  ...needsRoot(),
  async fn() {
    await using lab = await cable([{
      name: "one",
      up: { rateMbit: 100, delayMs: 12 },
      down: { rateMbit: 100, delayMs: 8 },
    }]);
    const median = async () => {
      const times = (await ping(lab.left, "10.2.1.2", 30)).toSorted((a, b) => a - b);
      ok(times[0]! >= 20, `an answer after ${times[0]} ms: sooner than the link has it`);
      return times[15]!;
    };
    await bestOf(5, median, (medianMs) => medianMs < 21);
  },
});

Deno.test({
  name: "netns: links carry their rates, three at once, and change them",
  ...needsRoot(),
  async fn() {
    const names = ["one", "two", "three"];
    await using lab = await cable(names.map((name, i) => ({
      name,
      up: { rateMbit: [200, 20, 10][i], delayMs: 10 },
      down: { rateMbit: 200, delayMs: 10 },
    })));
    await serveIperf(lab.right, [5201, 5202, 5203]);
    const run = () =>
      Promise.all(names.map((_, i) => goodput(lab.left, `10.2.${i + 1}.2`, 5201 + i)));
    const holds = (rates: number[]) =>
      bestOf(5, run, (actual) =>
        rates.every((rate, i) => {
          // A full frame carries 1448 of 1500 bytes.
          const share = actual[i]! / (rate * 1448 / 1500);
          ok(share < 1.01, `${actual[i]} Mbit/s over a link of ${rate}`);
          return share > 0.95;
        }));
    await holds([200, 20, 10]);
    await lab.emulator.change("one", { rateMbit: 15 }, "up");
    await lab.emulator.change("two", { rateMbit: 30 }, "both");
    await holds([15, 30, 10]);
    const { one } = await lab.emulator.statistics();
    equal(one!.up.settings.rateMbit, 15);
    ok(one!.up.deliveredPackets > 1000);
  },
});

Deno.test({
  name: "netns: a cut link is silent and comes back",
  ...needsRoot(),
  async fn() {
    await using lab = await cable([{ name: "one" }]);
    equal((await ping(lab.left, "10.2.1.2", 3)).length, 3);
    await lab.emulator.change("one", { cut: true });
    equal((await ping(lab.left, "10.2.1.2", 3)).length, 0);
    await lab.emulator.change("one", { cut: false });
    equal((await ping(lab.left, "10.2.1.2", 3)).length, 3);
    await rejects(lab.emulator.change("two", { cut: true }), /none of that name/);
    await rejects(lab.emulator.change("one", { rateMbit: -1 }), /rateMbit/);
    equal((await ping(lab.left, "10.2.1.2", 1)).length, 1);
  },
});

Deno.test({
  name: "netns: a link swallows what is larger than its MTU, and nobody is told",
  ...needsRoot(),
  async fn() {
    await using lab = await cable([{ name: "one" }]);
    const pingOf = async (packetBytes: number) => {
      const command = `ping -c2 -i0.02 -W1 -Mdo -s${packetBytes - 28} 10.2.1.2 || true`;
      return (await lab.left.run("sh", "-c", command)).stdout;
    };
    match(await pingOf(1500), /2 received/);
    await lab.emulator.change("one", { mtuBytes: 1400 }, "up");
    match(await pingOf(1400), /2 received/);
    const silence = await pingOf(1401);
    match(silence, /0 received/);
    doesNotMatch(silence, /error|needed|too long/i);
    equal((await lab.emulator.statistics()).one!.up.dropped["too large"], 2);
    await lab.emulator.change("one", { mtuBytes: null });
    match(await pingOf(1500), /2 received/);
  },
});

Deno.test({
  name: "netns: a link delivers packets twice",
  ...needsRoot(),
  async fn() {
    await using lab = await cable([{ name: "one" }]);
    equal((await ping(lab.left, "10.2.1.2", 1)).length, 1);
    await lab.emulator.change("one", { duplicateRate: 1 }, "up");
    const { stdout } = await lab.left.run("ping", "-c5", "-i0.02", "-W1", "10.2.1.2");
    match(stdout, /\+\d+ duplicates/);
  },
});

Deno.test({
  name: "netns: a link whose device is taken away does not disturb the others",
  ...needsRoot(),
  async fn() {
    await using lab = await cable([{ name: "one" }, { name: "two" }]);
    await lab.left.run("ip", "link", "set", "one", "down");
    await lab.left.run("ip", "link", "delete", "one");
    equal((await ping(lab.left, "10.2.2.2", 3)).length, 3);
    const ticksUsed = async () => {
      const before = await cpuTicks(lab.emulator.pid);
      await ping(lab.left, "10.2.2.2", 20);
      return await cpuTicks(lab.emulator.pid) - before;
    };
    // One that spins uses all of the 40 ticks this takes.
    await bestOf(5, ticksUsed, (ticks) => ticks < 20);
  },
});

async function cpuTicks(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
