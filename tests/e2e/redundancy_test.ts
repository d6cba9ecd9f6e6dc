/**
 * A link that goes while it is in use, and nobody is told: what was on it goes on over another one,
 * and the receiver hardly notices. How long the pause is, is reported; tests/two_peers holds it on virtual time.
 */
import { INTERNET_ADDRESS, Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { type Measure, topic } from "./scenario.ts";
import { pingAll } from "./small_lab.ts";
import { serveTransfers, Transfer, type TransferPlan } from "./transfer.ts";

const LINKS = ["one", "two"] as const;
const PLAN: TransferPlan = { to: INTERNET_ADDRESS, mbit: 6, seconds: 2, flows: 6 };
/** From then on the paths' round trips are known. */
const CUT_AFTER_MS = 700;
const STATE_TIMEOUT_MS = 20_000;

for (const scheduler of ["flow", "redundant"] as const) {
  topic(`e2e link cut under load: ${scheduler}`, async (scenario) => {
    await using lab = await Lab.create({
      links: LINKS.map((name) => ({ name, rateMbit: 20, rttMs: 20 })),
    });
    await serveTransfers(lab.internet);
    const bundle = await newClientCertificate(lab, "laptop");
    await startServer(lab);
    const client = await startClient(lab, bundle, { args: ["-v", "-scheduler", scheduler] });
    await pingAll(lab.client, [INTERNET_ADDRESS]);

    for (const link of LINKS) {
      await scenario(`every flow goes on when ${link} is cut`, async (measure) => {
        measure("longest pause", await longestGapMs(lab, client, link, measure), "ms");
      });
    }
  });
}

/** Cuts the link under a transfer and gives it back, and returns the longest pause of any flow. */
async function longestGapMs(
  lab: Lab,
  client: Child,
  link: string,
  measure: Measure,
): Promise<number> {
  const from = client.lineCount;
  const transfer = await Transfer.start(lab.client, PLAN);
  await new Promise((resolve) => setTimeout(resolve, CUT_AFTER_MS));
  const cutMs = performance.now();
  await lab.cut(link);
  await client.waitForLine(new RegExp(`link ${link}: path is suspect`), STATE_TIMEOUT_MS, from);
  measure("noticed after", performance.now() - cutMs, "ms");
  const { down, up } = await transfer.complete(measure);
  const back = client.lineCount;
  await lab.restore(link);
  await client.waitForLine(new RegExp(`link ${link}: path is up`), STATE_TIMEOUT_MS, back);
  return Math.max(down.longestGapMs, up.longestGapMs);
}
