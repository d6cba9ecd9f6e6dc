/** Metrics of both programs, scraped while packets flow. */
import { equal, match, ok } from "node:assert/strict";
import {
  newClientCertificate,
  spawnClient,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, pingAll, SERVER_INNER } from "./small_lab.ts";

const PORT = "9477";

async function scrape(where: Namespace): Promise<Map<string, number>> {
  const script = `const response = await fetch("http://127.0.0.1:${PORT}/metrics");
    if (!response.ok) throw new Error(await response.text());
    console.log(await response.text());`;
  const { stdout } = await where.run(Deno.execPath(), "eval", "--no-lock", script);
  const lines = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const [, name, value] = /^(\S+(?: ?\{.*\})?) (\S+)$/.exec(line) ?? [];
    ok(name !== undefined, line);
    return [name, Number(value)];
  }));
}

topic("e2e metrics", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const args = ["-metrics-listen", PORT];
  const server = await startServer(lab, { args });
  const client = await startClient(lab, bundle, { args });

  await scenario("a client tells of its links, and counters grow", async () => {
    const before = await scrape(lab.client);
    equal(before.get("fluxify_session_up"), 1);
    for (const link of ["one", "two"]) {
      equal(before.get(`fluxify_link_up{link="${link}"}`), 1);
      ok(before.get(`fluxify_link_rtt_seconds{link="${link}"}`)! < 1);
    }
    const sent = "fluxify_tunnel_sent_packets_total";
    for (let number = 0; number < 5; number++) await pingAll(lab.client, [SERVER_INNER]);
    const after = await scrape(lab.client);
    ok(after.get(sent)! >= before.get(sent)! + 5, `${before.get(sent)} ${after.get(sent)}`);
  });

  await scenario("a server tells of sessions and paths, without names of clients", async () => {
    const metrics = await scrape(lab.server);
    equal(metrics.get('fluxify_sessions{wire="x1"}'), 1);
    equal(metrics.get('fluxify_paths{state="up"}'), 2);
    ok(metrics.get("fluxify_tunnel_received_packets_total")! > 0);
    ok(![...metrics.keys()].some((name) => name.includes("laptop")));
  });

  await scenario("it is off unless asked for, and on this machine alone", async () => {
    const { stdout } = await lab.client.run("ss", "-Hltn");
    match(stdout, /127\.0\.0\.1:9477 /);
    ok(!/(0\.0\.0\.0|\*|\[::\]):9477 /.test(stdout), stdout);
    equal(await client.stop("SIGINT"), 0);
    const quiet = await startClient(lab, bundle);
    ok(!(await lab.client.run("ss", "-Hltn")).stdout.includes(":9477 "));
    equal(await quiet.stop("SIGINT"), 0);
  });

  await scenario("an address that cannot be had ends the start, and says what to do", async () => {
    const { exitCode, text } = await ending(
      spawnClient(lab, bundle, { args: ["-metrics-listen", "198.51.100.99:9477"] }),
    );
    equal(exitCode, 1);
    match(text, /Cannot serve metrics on 198\.51\.100\.99:9477: .*-metrics-listen/);
  });
  equal(await server.stop("SIGTERM"), 0);
});
