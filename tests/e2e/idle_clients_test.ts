/** What a server costs that has 24 clients and nothing to do. */
import { ok } from "node:assert/strict";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { addSite, createSmallLab } from "./small_lab.ts";

const CLIENTS = 24;
/** At a time: each start takes a second of a processor. */
const TOGETHER = 4;
const SECONDS = 20;
/** Of one core. With work for each session at each wake it was 3. */
const PERCENT_MAX = 3;
const TICKS_PER_SECOND = 100;

topic("e2e idle clients", async (scenario) => {
  await using cleanup = new AsyncDisposableStack();
  const lab = cleanup.use(await createSmallLab());
  const server = await startServer(lab);
  const clients: Child[] = [];
  for (let first = 1; first <= CLIENTS; first += TOGETHER) {
    const numbers = Array.from({ length: TOGETHER }, (_, index) => first + index);
    const sites = [];
    for (const number of numbers) sites.push(await addSite(lab, cleanup, `i${number}x`, number));
    const bundles: string[] = [];
    for (const number of numbers) bundles.push(await newClientCertificate(lab, `idle${number}`));
    clients.push(
      ...await Promise.all(sites.map((site, index) => startClient(site, bundles[index]!))),
    );
  }

  await scenario(`${CLIENTS} clients, two links each`, async (measure) => {
    const before = await processorSeconds(server);
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    const percent = 100 * (await processorSeconds(server) - before) / SECONDS;
    measure("of one core", percent, "%");
    ok(percent < PERCENT_MAX, `${percent} %`);
  });
  await Promise.all(clients.map((client) => client.stop("SIGINT")));
  await server.stop("SIGINT");
});

/** User and system time so far: fields 14 and 15 of proc_pid_stat(5). */
async function processorSeconds({ pid }: Child): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
