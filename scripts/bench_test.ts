import { deepEqual, doesNotMatch, equal, match, ok, throws } from "node:assert/strict";
import { Child, needsRoot, run } from "../tests/netns/namespace.ts";
import { parseOptions } from "./bench.ts";

const RUN_TIMEOUT_MS = 30_000;

function startBench(...args: string[]): Child {
  const main = new URL("bench.ts", import.meta.url).pathname;
  return new Child([Deno.execPath(), "run", "-A", main, "--", ...args]);
}

Deno.test("lists of subjects and figures are understood, in the report's order", () => {
  const options = parseOptions(["--", "--quick", "--only", "raw,fluxify", "--figures", "udp_pps"]);
  ok(options !== "help");
  deepEqual(options.subjects, ["fluxify", "raw"]);
  deepEqual(options.figures, ["udp_pps"]);
  equal(options.quick, true);
  equal(options.json, false);
});

Deno.test("what it does not know it refuses", () => {
  throws(() => parseOptions(["--only", "ipsec"]), /--only does not know 'ipsec'/);
  throws(() => parseOptions(["--figures", ""]), /--figures does not know ''/);
  throws(() => parseOptions(["--fast"]), /--fast/);
});

Deno.test("the benchmark explains itself", async () => {
  const help = startBench("--help");
  equal((await help.ended).code, 0);
  match(help.output("stdout"), /--quick/);
});

Deno.test({
  name: "netns: the benchmark prints one JSON object, and leaves nothing behind",
  ...needsRoot(),
  async fn() {
    const bench = startBench("--quick", "--json", "--only", "raw", "--figures", "tcp1_up");
    equal((await bench.ended).code, 0, bench.tail());
    const { figures } = JSON.parse(bench.output("stdout"));
    equal(figures.length, 1);
    const [{ raw, ...rest }] = figures;
    ok(raw > 0, bench.tail());
    deepEqual(rest, {
      ...{ name: "tcp1_up", unit: "Mbit/s" },
      ...{ fluxify: null, openvpn: null, wireguardGo: null },
    });
    await assertNothingLeft(bench.pid);
  },
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `netns: the benchmark leaves nothing behind after ${signal}`,
    ...needsRoot(),
    async fn() {
      const bench = startBench("--figures", "idle_cpu_percent");
      await bench.waitForLine(/warming up/, RUN_TIMEOUT_MS);
      equal(await bench.stop(signal, 30_000), signal === "SIGINT" ? 130 : 143);
      equal(bench.output("stdout"), "");
      await assertNothingLeft(bench.pid);
    },
  });
}

async function assertNothingLeft(pid: number): Promise<void> {
  doesNotMatch((await run("ip", "netns", "list")).stdout, new RegExp(`fx${pid}-`));
  for (const folder of ["/tmp", "/var/run/wireguard"]) {
    const left = entries(folder).filter((name) =>
      name.startsWith(`fluxify${pid}-`) || name.startsWith(`fxwg${pid}`)
    );
    deepEqual(left, []);
  }
}

function entries(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}
