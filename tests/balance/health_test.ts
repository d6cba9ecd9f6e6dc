/** An uplink that fails is out and comes back, and the others notice nothing; how fast is printed. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { type Child, needsRoot } from "../netns/namespace.ts";
import { BalanceLab, equalStates } from "./balance_lab.ts";
import { until } from "../../testing/until.ts";

const STATE_TIMEOUT_MS = 20_000;
const DOWNLOADS = 50;
const STOP_TIMEOUT_MS = 10_000;

/** Does something and waits until both families say so; prints how long it took. */
async function untilBoth(
  client: Child,
  what: string,
  pattern: (family: number) => RegExp,
  action: () => Promise<unknown>,
): Promise<void> {
  const from = client.lineCount;
  const begin = performance.now();
  await action();
  await Promise.all(
    [4, 6].map((family) => client.waitForLine(pattern(family), STATE_TIMEOUT_MS, from)),
  );
  console.log(`${what}: ${((performance.now() - begin) / 1000).toFixed(2)} s`);
}

const isOut = (family: number) => new RegExp(`IPv${family} goes over wan2 \\(weight 1\\)$`);
const isBack = (family: number) =>
  new RegExp(`IPv${family} goes over wan1 \\(weight 1\\), wan2 \\(weight 1\\)`);

Deno.test({
  name: "netns: a silent gateway and a link that goes down leave downloads elsewhere alone",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const before = await lab.state();
    const client = await lab.start("-weights", "wan1=1,wan2=1");
    const downloads = [];
    for (const from of [lab.machine, lab.lan]) {
      for (const family of [4, 6] as const) {
        downloads.push(await lab.startDownloads(from, family, "wan2", DOWNLOADS));
      }
    }
    const onlySecond = async () => {
      for (const from of [lab.machine, lab.lan]) {
        for (const family of [4, 6] as const) {
          deepEqual(await lab.connections(from, family, 20), { wan1: 0, wan2: 20 });
        }
      }
    };
    let speak = () => Promise.resolve();
    await untilBoth(client, "silent gateway, out after", isOut, async () => {
      speak = await lab.silence("wan1");
    });
    await onlySecond();
    await untilBoth(client, "answering again, back after", isBack, () => speak());

    const link = (...words: string[]) => lab.machine.run("ip", "link", "set", "wan1", ...words);
    await untilBoth(client, "link down, out after", isOut, () => link("down"));
    await onlySecond();
    await untilBoth(client, "link up, back after", isBack, async () => {
      await link("up");
      // The kernel drops IPv6 addresses with the link, and nobody but us gives them back here.
      await lab.machine.run("ip", "address", "add", "fd01::2/64", "dev", "wan1", "nodad");
    });
    for (const family of ["-4", "-6"]) {
      await untilShown(lab, ["ip", family, "route", "show", "default"], "dev wan1 metric 100");
    }

    const carrier = (state: string) => lab.routers.wan1.run("ip", "link", "set", "lan", state);
    await untilBoth(client, "no carrier, out after", isOut, () => carrier("down"));
    await untilBoth(client, "carrier, back after", isBack, async () => {
      await carrier("up");
      await lab.routers.wan1.run("ip", "address", "add", "fd01::1/64", "dev", "lan", "nodad");
    });

    for (const child of downloads) {
      await child.closeStdin();
      const report = JSON.parse((await child.waitForLine(/^\{.*\}$/, 5_000))[0]);
      console.log("downloads:", JSON.stringify(report));
      equal(report.count, DOWNLOADS);
      equal(report.failed, 0);
      ok(report.leastBytes > 0);
    }
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equalStates(await lab.state(), before, "in any order");
  },
});

async function untilShown(lab: BalanceLab, command: string[], text: string): Promise<void> {
  const isShown = async () => (await lab.machine.run(...command)).stdout.includes(text);
  await until(`"${command.join(" ")}" shows "${text}"`, isShown);
}

Deno.test({
  name: "netns: connections from before the start go on, and all links may fail",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const downloads = [
      await lab.startDownloads(lab.machine, 4, "wan1", DOWNLOADS),
      await lab.startDownloads(lab.machine, 6, "wan1", DOWNLOADS),
    ];
    const client = await lab.start();
    await lab.connections(lab.machine, 4, 20);
    for (const child of downloads) {
      await child.closeStdin();
      const report = JSON.parse((await child.waitForLine(/^\{.*\}$/, 5_000))[0]);
      console.log("downloads:", JSON.stringify(report));
      equal(report.failed, 0);
    }
    const from = client.lineCount;
    const speak = [await lab.silence("wan1"), await lab.silence("wan2")];
    const stays = (family: number) =>
      client.waitForLine(
        new RegExp(`all uplinks are down for IPv${family}: the last routes stay`),
        STATE_TIMEOUT_MS,
        from,
      );
    await Promise.all([4, 6].map(stays));
    match((await lab.machine.run("ip", "route")).stdout, /^default .*proto 77 metric 1/);
    for (const again of speak) await again();
    await Promise.all(
      [4, 6].map((family) =>
        client.waitForLine(new RegExp(`is back for IPv${family}`), STATE_TIMEOUT_MS, from)
      ),
    );
    equal(await client.stop("SIGINT", STOP_TIMEOUT_MS), 0);
  },
});
