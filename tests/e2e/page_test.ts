/** The page in a real Chromium: what it shows of a run, what it does, and whom it refuses. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { until as eventually } from "../../testing/until.ts";
import { hasChromium, seriousFaults, TestBrowser } from "../page/browser.ts";
import { cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, pingAll, SERVER_INNER } from "./small_lab.ts";

const RED_MS = 2000;
const START_MS = 30_000;
/** That of the tests, whatever home the program is given. */
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

async function linkOf(
  lab: Lab,
  name: "client" | "server",
  place = environment(lab, name),
): Promise<string> {
  const { stdout } = await lab[name].runWith(place, ...program(name), "web");
  return stdout.trim();
}

const lane = (page: Page, link: string) => page.locator(`.lane[data-link="${link}"]`);
const until = (page: Page, link: string, level: string, timeout?: number) =>
  page.locator(`.lane[data-link="${link}"][data-level="${level}"]`).waitFor(
    timeout === undefined ? {} : { timeout },
  );

if (!hasChromium()) {
  console.error("tests/e2e/page_test.ts is skipped: Chromium is missing, apt-get install chromium");
} else {
  topic("e2e page", async (scenario) => {
    await using lab = await createSmallLab();
    await Deno.chmod(lab.directory, 0o711); // the user of the page gets through to its history
    const bundle = await newClientCertificate(lab, "laptop");
    const server = await startServer(lab, { args: ["-web", "127.0.0.1:8079"] });
    const client = await startClient(lab, bundle, { args: ["-web", "127.0.0.1:8078"] });
    await pingAll(lab.client, [SERVER_INNER]);
    const link = await linkOf(lab, "client");
    const [base = "", token = ""] = link.split("/#");
    await using browser = await TestBrowser.start(lab.client);

    await scenario("the link is in no log, and its process has no rights", async () => {
      ok(!client.output("stderr").includes(token));
      match(client.output("stderr"), /the page is at http:\/\/127\.0\.0\.1:8078; /);
      const { stdout } = await lab.client.run("pgrep", "-f", "page-process");
      const own = stdout.trim().split("\n").map((pid) =>
        Deno.readTextFileSync(`/proc/${pid}/status`)
      );
      const status = own.find((text) => !/Uid:\s+0/.test(text));
      match(status ?? "", /CapEff:\s+0{16}\n/);
    });

    const page = await browser.open(link);
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });

    await scenario("the lanes show both links, and the token is out of the address", async () => {
      await until(page, "one", "good");
      await until(page, "two", "good");
      equal(page.url(), `${base}/`);
      match(await page.locator("#state").innerText(), /2 of 2 links up/);
      match(await lane(page, "one").innerText(), /round trip [\d.]+ ms/);
      await page.locator("#events li", { hasText: "fluxify-client is up" }).waitFor();
      await page.locator("#rate-chart canvas").waitFor({ state: "attached" });
      // This page ends with its client.
      equal(await page.locator("#stop").isVisible(), true);
      equal(await page.locator("#start").count(), 0);
    });

    await scenario("axe finds nothing serious, in light, in dark, and on a phone", async () => {
      deepEqual(await seriousFaults(page), []);
      const phone = await browser.open(link, { scheme: "dark", width: "phone" });
      await until(phone, "one", "good");
      deepEqual(await seriousFaults(phone), []);
      const wide = await phone.evaluate("document.documentElement.scrollWidth > innerWidth");
      equal(wide, false, "the page is wider than a phone");
      await phone.context().close();
    });

    await scenario("a cut link is red within two seconds, and comes back", async () => {
      await lab.client.run("ip", "link", "set", "two", "down");
      await until(page, "two", "bad", RED_MS);
      await lab.client.run("ip", "link", "set", "two", "up");
      await lab.client.run(
        ...["ip", "route", "replace", "default", "via", "10.71.2.1", "dev", "two", "metric", "200"],
      );
      await until(page, "two", "good");
    });

    await scenario("a link that is cut in silence is red within two seconds", async (measure) => {
      equal(await lane(page, "two").getAttribute("data-level"), "good");
      const cutMs = performance.now();
      await cutLink(lab.router, "two");
      await until(page, "two", "bad", RED_MS);
      measure("red after", performance.now() - cutMs, "ms");
      await restoreLink(lab.router, "two");
      await until(page, "two", "good");
    });

    await scenario("the controls of the actions stand in one line", async () => {
      const bottoms = await Promise.all(["#stop", "#scheduler", "#link"].map(async (id) => {
        const box = await page.locator(id).boundingBox();
        return Math.round(box!.y + box!.height);
      }));
      deepEqual([...new Set(bottoms)].length, 1, bottoms.join());
    });

    await scenario("scheduler and links change by keyboard and mouse", async () => {
      await page.locator("#scheduler").selectOption("stripe");
      await page.locator("#outcome", { hasText: "scheduler stripe is asked for" }).waitFor();
      await page.locator("#link").fill("none");
      await page.keyboard.press("Enter");
      await lane(page, "none").waitFor();
      await page.locator("#outcome", { hasText: "none is a link" }).waitFor();
      await lane(page, "none").locator("button").click();
      await page.locator("#outcome", { hasText: /no link any more|not done/ }).waitFor();
      equal(await page.locator("#outcome").innerText(), "none is no link any more");
      await lane(page, "none").waitFor({ state: "detached" });
      await page.locator("#link").fill("one");
      await page.keyboard.press("Enter");
      await page.locator("#outcome", { hasText: "one is a link already" }).waitFor();
      await page.locator("#diag").click();
      await page.locator("#outcome li", { hasText: "operating system" }).waitFor();
    });

    await scenario("another Origin, a rebinding Host, and a wrong token are refused", async () => {
      const status = async (...options: string[]) => {
        const words = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", ...options];
        return (await lab.client.run("curl", ...words)).stdout.trim();
      };
      const json = ["-H", "content-type: application/json"];
      const body = ["-d", JSON.stringify({ token })];
      equal(await status("-H", "Host: evil.example:8078", `${base}/`), "403");
      const foreign = [...json, ...body, "-H", "Origin: http://evil.example"];
      equal(await status(...foreign, `${base}/api/login`), "403");
      equal(await status(...json, ...body, `${base}/api/login`), "403");
      const wrong = [...json, "-d", '{"token":"x"}', "-H", `Origin: ${base}`];
      const answers: string[] = [];
      for (let tries = 0; tries < 6; tries++) {
        answers.push(await status(...wrong, `${base}/api/login`));
      }
      equal(answers.at(-1), "429", answers.join(" "));
      const rebound = `--resolve evil.example:8078:127.0.0.1 http://evil.example:8078/`.split(" ");
      equal(await status(...rebound), "403");
    });

    await scenario("the server's page shows its client, makes one, and refuses it", async () => {
      await using own = await TestBrowser.start(lab.server);
      const page = await own.open(await linkOf(lab, "server"));
      page.on("dialog", (dialog) => void dialog.accept());
      await page.locator("#sessions td", { hasText: "laptop" }).first().waitFor();
      equal(await page.locator("#actions-title").isVisible(), false, "there is nothing below it");
      const phone = await own.open(await linkOf(lab, "server"), { width: "phone" });
      for (const words of ["Kick laptop", "Revoke laptop"]) {
        // Rows are drawn anew with each report: one may be gone when it is measured.
        await eventually(`${words} is in sight`, async () => {
          const box = await phone.locator("button", { hasText: words }).boundingBox();
          return box !== null && box.x >= 0 && box.x + box.width <= 360;
        });
      }
      const wide = await phone.evaluate("document.documentElement.scrollWidth > innerWidth");
      equal(wide, false, "the server's page is wider than a phone");
      await phone.context().close();
      await page.locator("#rate-chart", { hasText: /from clients[^]*to clients/ }).waitFor();
      await page.locator("#issue-name").fill("phone");
      await page.keyboard.press("Enter");
      const download = page.waitForEvent("download");
      await page.locator("#issued a").click();
      const file = await (await download).path();
      match(await Deno.readTextFile(file), /PRIVATE KEY/);
      await page.locator("#issued button").click();
      await page.locator("#issued img").waitFor();
      deepEqual(await seriousFaults(page), []);
      await page.locator("#clients button", { hasText: "Revoke phone" }).click();
      await page.locator("#clients tr", { hasText: "phone" }).locator("text=revoked").waitFor();
      const from = client.lineCount;
      await page.locator("#sessions button", { hasText: "Kick laptop" }).click();
      await page.locator("#outcome", { hasText: "session of laptop ended" }).waitFor();
      equal(await page.locator("#outcome").isVisible(), true);
      await page.locator("#title").click(); // off the button, which holds the table still
      await page.locator("#sessions td", { hasText: "laptop" }).first().waitFor();
      await client.waitForLine(/connected again/, START_MS, from);
      equal(server.exitCode, null);
    });

    await scenario(
      "stop undoes everything, and ends the page of -web with its client",
      async () => {
        page.on("dialog", (dialog) => void dialog.accept());
        await page.locator("#stop").click();
        equal((await client.ended).code, 0);
        deepEqual(problems.filter((text) => !/Failed to load resource|ERR_/.test(text)), []);
        const { stdout } = await lab.client.run("ss", "-ltn");
        ok(!stdout.includes(":8078"), stdout);
      },
    );

    await scenario("the page of web starts a client, and shows what its caps leave", async () => {
      const home = join(lab.directory, "home");
      await Deno.mkdir(join(home, ".fluxify"), { recursive: true });
      const settings = {
        ...{ version: 1, mode: "bonding", server: SERVER_ADDRESS, ifaces: ["one", "two"] },
        ...{ cert: bundle, link: ["two=metered,cap=5GB/month"] },
      };
      await Deno.writeTextFile(join(home, ".fluxify", "config.json"), JSON.stringify(settings));
      const place = environment(lab, "client", { HOME: home, DENO_DIR, SUDO_USER: "" });
      const web = lab.client.spawn([...program("client"), "web"], place);
      await web.waitForLine(/the page is at /, START_MS);
      const page = await browser.open(await linkOf(lab, "client", place));
      page.on("dialog", (dialog) => void dialog.accept());
      await page.locator("#state", { hasText: "not running" }).waitFor();
      equal(await page.locator("#stop").isVisible(), false);
      await page.locator("#start").click();
      await page.locator("#outcome", { hasText: /^started$|not done/ }).waitFor({
        timeout: START_MS,
      });
      equal(await page.locator("#outcome").innerText(), "started");
      await until(page, "one", "good");
      await pingAll(lab.client, [SERVER_INNER]);
      match(await lane(page, "two").innerText(), /this month [\d.]+ k?B of 5\.0 GB/);
      equal(await page.locator("#start").isVisible(), false);
      // A volume is the difference of two readings.
      await page.locator("#volumes tr", { hasText: "two" }).locator("text=5.0 GB").waitFor({
        timeout: START_MS,
      });
      await page.locator("#stop").click();
      await page.locator("#state", { hasText: "not running" }).waitFor();
      await page.locator("#start").waitFor();
      equal(await web.stop("SIGTERM"), 0);
    });
  });
}
