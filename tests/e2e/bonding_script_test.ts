/** scripts/test_bonding_e2e.sh between two machines, as a person runs it. */
import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { environment, newClientCertificate, pkiDirectory } from "../../scripts/lab/programs.ts";
import { needsRoot } from "../netns/namespace.ts";
import { bestOf } from "../support/best_of.ts";
import { createSmallLab } from "./small_lab.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/test_bonding_e2e.sh", import.meta.url));
const MAIN = (program: string) =>
  `${Deno.execPath()} run -A ${
    fileURLToPath(new URL(`../../${program}/main.ts`, import.meta.url))
  }`;

/** What else the machine does may take a gain away. */
const RUNS_MAX = 3;

Deno.test({
  name: "netns: the script measures each link and the bond, reports, and leaves no shaping",
  ...needsRoot(),
  fn: async () => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const server = lab.server.spawn(["sh", SCRIPT, "--server", "-p", pkiDirectory(lab)], {
      ...environment(lab, "server", { FLUXIFY_SERVER: MAIN("server") }),
    });
    await server.waitForLine(/server is ready/, 30_000);
    const output = join(lab.directory, "report");
    const run = async () => {
      const script = lab.client.spawn(
        [
          ...["sh", SCRIPT, "--client", SERVER_ADDRESS, "--ifaces", "one,two", "--duration", "2"],
          ...["-p", bundle, "-o", output],
          ...["--shape", "one=5,1,0,20", "--shape", "two=5,1,0,20"],
        ],
        environment(lab, "client", { FLUXIFY_CLIENT: MAIN("client") }),
      );
      await script.waitForLine(/one is shaped/, 60_000);
      await script.waitForLine(/^report: /, 120_000);
      equal((await script.ended).code, 0, script.tail(40));
      const report = JSON.parse(await Deno.readTextFile(join(output, "report.json")));
      equal(report.links.map(({ name }: { name: string }) => name).join(), "one,two");
      for (const link of [...report.links, report.bonded]) {
        ok(link.upMbit > 0 && link.downMbit > 0 && link.rttMs > 0, JSON.stringify(report));
      }
      return report;
    };
    // Against the best link of the same run.
    await bestOf(RUNS_MAX, run, ({ gain }) => gain.up > 1.1);
    match(await Deno.readTextFile(join(output, "report.txt")), /gain over the best link: up \d/);
    match(await Deno.readTextFile(join(output, "report.svg")), /^<svg [^]*<\/svg>\n$/);
    const { stdout } = await lab.client.run("tc", "qdisc", "show");
    ok(!/tbf|netem/.test(stdout), stdout);
    server.signal("SIGTERM");
    equal((await server.ended).code, 130);
  },
});

Deno.test({
  name: "netns: the script takes its shaping off when it is stopped",
  ...needsRoot(),
  fn: async () => {
    await using lab = await createSmallLab();
    const script = lab.client.spawn(
      ["sh", SCRIPT, "--client", SERVER_ADDRESS, "--ifaces", "one,two", "--netem"],
      environment(lab, "client"),
    );
    await script.waitForLine(/two is shaped/, 30_000);
    script.signal("SIGTERM");
    equal((await script.ended).code, 130);
    const { stdout } = await lab.client.run("tc", "qdisc", "show");
    ok(!/tbf|netem/.test(stdout), stdout);
  },
});

Deno.test({
  name: "netns: the script leaves an interface alone that is shaped already",
  ...needsRoot(),
  fn: async () => {
    await using lab = await createSmallLab();
    const tbf = ["tbf", "rate", "500mbit", "burst", "64kb", "latency", "100ms"];
    await lab.client.run("tc", "qdisc", "add", "dev", "two", "root", ...tbf);
    const shown = async () => (await lab.client.run("tc", "qdisc", "show")).stdout;
    const before = await shown();
    const script = lab.client.spawn(
      ["sh", SCRIPT, "--client", SERVER_ADDRESS, "--ifaces", "one,two", "--netem"],
      environment(lab, "client"),
    );
    equal((await script.ended).code, 2);
    match(script.tail(), /two has a queueing discipline of its own/);
    equal(await shown(), before);
  },
});

Deno.test("the script refuses what makes no sense", async () => {
  const cases: [string[], RegExp][] = [
    [[], /say --server, --client HOST or --cleanup/],
    [["--client"], /--client needs a value/],
    [["--client", "h", "--duration", "x"], /must be a number of seconds/],
    [["--client", "h", "--ifaces", "a;b"], /no interface/],
    [["--client", "-h"], /must be a name or an address/],
    [["--client", "h", "--shape", "a=1"], /must be NAME=DELAY/],
    [["--bogus"], /unknown option/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await new Deno.Command("sh", { args: [SCRIPT, ...args] }).output();
    equal(code, 2, args.join(" "));
    match(new TextDecoder().decode(stderr), message);
  }
});
