/**
 * Takes the pictures of the page in README and docs: a real Chromium looks at a client and a server
 * that run in namespaces, on links of 50, 20 and 10 Mbit/s while a download goes on, one link cut.
 *
 *     sudo deno run -A scripts/page_pictures.ts
 */
import { resolve } from "node:path";
import { hasChromium, TestBrowser } from "../tests/page/browser.ts";
import { type Child, type Namespace } from "../tests/netns/namespace.ts";
import { INTERNET_ADDRESS, Lab } from "./lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "./lab/programs.ts";

const FOLDER = resolve(import.meta.dirname!, "../docs/pictures");
const LINKS = [
  { name: "fiber", rateMbit: 50, rttMs: 20 },
  { name: "dsl", rateMbit: 20, rttMs: 40 },
  { name: "mobile", rateMbit: 10, rttMs: 60 },
];
/** So that the graph has a line. */
const RUN_MS = 45_000;

async function linkOf(lab: Lab, name: "client" | "server"): Promise<string> {
  const namespace: Namespace = lab[name];
  const { stdout } = await namespace.runWith(environment(lab, name), ...program(name), "web");
  return stdout.trim();
}

function startDownload(lab: Lab): Child {
  lab.internet.spawn(["iperf3", "-s"]);
  return lab.client.spawn(["sh", "-c", `sleep 1; iperf3 -c ${INTERNET_ADDRESS} -R -P 8 -t 120`]);
}

async function main(): Promise<void> {
  if (!hasChromium()) throw new Error("Chromium is missing: apt-get install chromium");
  await using lab = await Lab.create({ links: LINKS });
  await Deno.chmod(lab.directory, 0o711);
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab, { args: ["-web", "127.0.0.1:8079"] });
  await startClient(lab, bundle, { args: ["-web", "127.0.0.1:8078"] });
  startDownload(lab);
  await using browser = await TestBrowser.start(lab.client);
  const page = await browser.open(await linkOf(lab, "client"));
  await new Promise((done) => setTimeout(done, RUN_MS));
  await lab.client.run("ip", "link", "set", "mobile", "down");
  await page.locator('.lane[data-link="mobile"][data-level="bad"]').waitFor();
  await page.screenshot({ path: `${FOLDER}/page-client.png` });
  await using other = await TestBrowser.start(lab.server);
  const server = await other.open(await linkOf(lab, "server"));
  await server.locator("#sessions td").first().waitFor();
  await server.screenshot({ path: `${FOLDER}/page-server.png` });
}

if (import.meta.main) await main();
