/**
 * `sudo deno task monitoring`: a running pair in network namespaces, scraped by a real Prometheus with
 * the alert rules of packaging/prometheus. Checks that both targets answer, that no rule fails, and
 * that the dashboard of packaging/grafana asks for nothing that is not there.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { queriesOf, unknownMetrics } from "./monitoring/dashboard.ts";
import { type Answer, Prometheus } from "./monitoring/prometheus.ts";
import { Lab, SERVER_ADDRESS } from "./lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "./lab/programs.ts";
import { type LabOptions, runLabCommand } from "./setup/lab_command.ts";

const ROOT = resolve(import.meta.dirname!, "..");
const CLIENT_TARGET = "127.0.0.1:9477";
const SERVER_TARGET = `${SERVER_ADDRESS}:9477`;
/** Only a client that balances has them. */
const LOAD_BALANCE = /^fluxify_uplink_/;
const INNER_ADDRESS = "10.8.0.1";
const USAGE = `Usage: sudo deno task monitoring [-- [OPTION]...]

  --no-install  install nothing: print the command for what is missing
  --help        this text`;

function parseOptions(args: readonly string[]): LabOptions | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return values.help ? "help" : { install: values["no-install"] ? "print only" : "install" };
}

async function promtool(...args: string[]): Promise<void> {
  const { success } = await new Deno.Command("promtool", {
    args,
    cwd: join(ROOT, "packaging/prometheus"),
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`promtool ${args.join(" ")} failed`);
}

async function run(): Promise<boolean> {
  await promtool("check", "rules", "fluxify.rules.yml");
  await promtool("test", "rules", "fluxify.rules_test.yml");
  await promtool("check", "config", "scrape.example.yml");
  const links = ["one", "two"].map((name) => ({ name, rateMbit: 20, rttMs: 20 }));
  await using lab = await Lab.create({ links });
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, {
    args: ["-metrics-listen", SERVER_TARGET, "-metrics-per-client"],
  });
  const client = await startClient(lab, bundle, { args: ["-metrics-listen", CLIENT_TARGET] });
  await using prometheus = await Prometheus.start(lab.client, lab.directory, {
    rules: join(ROOT, "packaging/prometheus/fluxify.rules.yml"),
    targets: { "fluxify-client": CLIENT_TARGET, "fluxify-server": SERVER_TARGET },
  });
  const failures: string[] = [];
  const expect = (isAsExpected: boolean, what: string) => {
    console.log(`${isAsExpected ? "ok    " : "FAILED"}  ${what}`);
    if (!isAsExpected) failures.push(what);
  };
  await lab.client.run("ping", "-c", "20", "-i", "0.05", INNER_ADDRESS);
  const up = await prometheus.until('up{job=~"fluxify.*"} == 1', (found) => found.length === 2);
  expect(up.length === 2, "Prometheus scrapes client and server");
  const text = await Deno.readTextFile(join(ROOT, "packaging/grafana/fluxify.json"));
  const queries = queriesOf(JSON.parse(text));
  const names = new Set(await prometheus.metricNames());
  const unknown = unknownMetrics(queries, names).filter((name) => !LOAD_BALANCE.test(name));
  // Left out while nothing is known: they come with traffic that fills a link, and with drops.
  const later = [
    ...["fluxify_gain_ratio", "fluxify_link_delivery_rate_bytes_per_second"],
    "fluxify_drops_total",
  ];
  const missing = unknown.filter((name) => !later.includes(name));
  expect(missing.length === 0, `the dashboard's metrics are there ${missing.join(", ")}`);
  for (const query of queries) {
    const answer: Answer = await prometheus.query(query);
    if (answer.error !== null) expect(false, `${query}: ${answer.error}`);
  }
  expect(true, `${queries.length} queries of the dashboard are understood`);
  const rules = await prometheus.rules();
  const broken = rules.filter(({ health }) => health === "err");
  expect(
    rules.length > 10 && broken.length === 0,
    `${rules.length} alert rules are evaluated ${broken.map(({ name }) => name).join(", ")}`,
  );
  const firing = rules.filter(({ state }) => state === "firing").map(({ name }) => name);
  expect(firing.length === 0, `none fires while all is well ${firing.join(", ")}`);
  await lab.cut("two");
  const down = await prometheus.until(
    'ALERTS{alertname="FluxifyLinkDown", alertstate="pending", link="two"}',
    (found) => found.length === 1,
  );
  expect(down.length === 1, "the alert of a cut link is pending");
  const took = await prometheus.query('scrape_duration_seconds{job="fluxify-server"}');
  console.log(`a scrape of the server took ${took.values.join(", ")} s`);
  for (const program of [client, server]) await program.stop("SIGTERM");
  return failures.length === 0;
}

if (import.meta.main) {
  await runLabCommand({
    task: "monitoring",
    usage: USAGE,
    tools: ["ip", "iptables", "ping", "prometheus", "promtool"],
    parse: parseOptions,
    run,
  });
}
