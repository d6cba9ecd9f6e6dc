/**
 * What compression is for, and what it must not cost, over links of 10 Mbit/s with iperf3 as the
 * judge, one flow at a time: logs and English are carried at twice the links' rate and more, and what
 * does not get smaller as fast as without compression.
 */
import { ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { INTERNET_ADDRESS, Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { innerAddresses } from "./small_lab.ts";

const RATE_MBIT = 10;
const PORT = "5201";
const START_TIMEOUT_MS = 10_000;
const RAMP_SECONDS = 1;
const SECONDS = 2;
/** More than the link carries in that time, even if it shrinks to a tenth. */
const FILE_BYTES = 40e6;
const TEXT_GAIN_MIN = 2;
const RANDOM_SHARE_MIN = 0.98;
const ATTEMPTS = 3;

topic("e2e compression", async (scenario) => {
  await using lab = await Lab.create({
    links: ["one", "two"].map((name) => ({ name, rateMbit: RATE_MBIT, rttMs: 20 })),
  });
  const text = join(lab.directory, "text");
  const english = join(lab.directory, "english");
  const random = join(lab.directory, "random");
  await Deno.writeTextFile(text, logLines(FILE_BYTES));
  await Deno.writeTextFile(english, englishText(FILE_BYTES));
  await Deno.writeFile(random, randomBytes(FILE_BYTES / 4));
  for (const machine of [lab.internet, lab.client]) await serveIperf(machine);
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab);
  const start = (...args: string[]) => startClient(lab, bundle, { args });
  const up = (file: string) => mbitOf(lab.client, INTERNET_ADDRESS, file);
  const plain = { text: NaN, random: NaN };

  await scenario("without compression text and random data are as fast", async (measure) => {
    const client = await start("-compression", "off");
    plain.text = await up(text);
    plain.random = await up(random);
    measure("text", plain.text, "Mbit/s");
    measure("random", plain.random, "Mbit/s");
    await client.stop("SIGINT");
    ok(Math.min(plain.text, plain.random) > RATE_MBIT / 2);
  });

  const client = await start("-compression", "auto");
  for (const [name, file] of Object.entries({ "log lines": text, English: english })) {
    await scenario(`${name}: carried twice as fast, both ways`, async (measure) => {
      const [address] = await innerAddresses(client);
      const rates = { up: await up(file), down: await mbitOf(lab.server, address, file) };
      for (const [way, mbit] of Object.entries(rates)) {
        measure(way, mbit, "Mbit/s");
        measure(`${way}: times the plain rate`, mbit / plain.text);
        ok(mbit >= TEXT_GAIN_MIN * plain.text, `${way}: ${mbit} Mbit/s, plain ${plain.text}`);
      }
    });
  }

  await scenario("random data loses less than 2 %", async (measure) => {
    let best = 0;
    for (let attempt = 1; attempt <= ATTEMPTS && best < RANDOM_SHARE_MIN; attempt++) {
      best = Math.max(best, await up(random) / plain.random);
    }
    measure("share of the plain rate", 100 * best, "%");
    ok(best >= RANDOM_SHARE_MIN, `${100 * best} % of the plain rate`);
  });
  await client.stop("SIGINT");

  await scenario("the portable engine carries text twice as fast, too", async (measure) => {
    await start("-compression", "auto", "-engine", "portable");
    const mbit = await up(text);
    measure("up", mbit, "Mbit/s");
    measure("times the plain rate", mbit / plain.text);
    ok(mbit >= TEXT_GAIN_MIN * plain.text, `${mbit} Mbit/s, plain ${plain.text}`);
  });
});

async function serveIperf(machine: Namespace): Promise<void> {
  const child = machine.spawn(["iperf3", "-s", "-p", PORT, "--forceflush"]);
  await child.waitForLine(/listening/, START_TIMEOUT_MS);
}

/** Sends what is in `file` for some time, and returns what arrived in 10^6 bit/s. */
async function mbitOf(from: Namespace, to: string, file: string): Promise<number> {
  const { stdout } = await from.runWith(
    { timeoutMs: 30_000 },
    ...["iperf3", "-c", to, "-p", PORT, "--json", "--connect-timeout", "9000", "-F", file],
    ...["-t", String(SECONDS), "-O", String(RAMP_SECONDS)],
  );
  return JSON.parse(stdout).end.sum_received.bits_per_second / 1e6;
}

/** What a web server writes to its log: much alike, and no two lines the same. */
function logLines(length: number): string {
  const lines: string[] = [];
  let state = 1;
  for (let size = 0, at = 0; size < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const line = JSON.stringify({
      time: new Date(1.7e12 + 137 * at).toISOString(),
      level: state % 16 === 0 ? "warning" : "info",
      client: `10.0.${state >>> 24}.${(state >>> 16) & 0xff}`,
      request: `GET /articles/${state % 9973}?page=${at % 17}`,
      status: state % 16 === 0 ? 404 : 200,
      durationMs: state % 977,
    }) + "\n";
    lines.push(line);
    size += line.length;
  }
  return lines.join("");
}

/** What people write for people: the project's documents, over and over. */
function englishText(length: number): string {
  const folder = new URL("../../docs/", import.meta.url);
  const documents = [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => Deno.readTextFileSync(new URL(name, folder)))
    .join("\n");
  return documents.repeat(Math.ceil(length / documents.length));
}
