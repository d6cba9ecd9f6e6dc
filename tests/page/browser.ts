/** A real Chromium in a network namespace, steered by playwright-core. */
import axeSource from "axe-core/axe.min.js" with { type: "text" };
import { type Browser, chromium, type Page } from "playwright-core";
import type { Namespace } from "../netns/namespace.ts";

const PROGRAM = "/usr/bin/chromium";
/** In a window of a desk, unless told. */
const SIZE = { width: 1100, height: 900 };
const PHONE = { width: 360, height: 740 };

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string }[];
}

/** Whether Debian's package chromium is installed; where it is not, tests say that they are skipped. */
export function hasChromium(): boolean {
  try {
    return Deno.statSync(PROGRAM).isFile;
  } catch {
    return false;
  }
}

export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #wrapper: string;

  private constructor(browser: Browser, wrapper: string) {
    this.#browser = browser;
    this.#wrapper = wrapper;
  }

  /** Chromium as root needs no sandbox; it visits our own page alone. */
  static async start(namespace: Namespace): Promise<TestBrowser> {
    const wrapper = await Deno.makeTempFile({ prefix: `fluxify-chromium-${Deno.pid}-` });
    await Deno.writeTextFile(
      wrapper,
      `#!/bin/sh\nexec ip netns exec ${namespace.name} ${PROGRAM} "$@"\n`,
    );
    await Deno.chmod(wrapper, 0o700);
    const browser = await chromium.launch({
      executablePath: wrapper,
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    return new TestBrowser(browser, wrapper);
  }

  /** With cookies of its own. */
  async open(
    url: string,
    look: { scheme?: "light" | "dark"; width?: "desk" | "phone" } = {},
  ): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: look.width === "phone" ? PHONE : SIZE,
      colorScheme: look.scheme ?? "light",
    });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    await page.goto(url);
    return page;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    await Deno.remove(this.#wrapper);
  }
}

/** What axe finds that is serious or worse, a line each. */
export async function seriousFaults(page: Page): Promise<string[]> {
  // The policy of the page lets no script in but its own; evaluate() is the debugger's.
  await page.evaluate(axeSource);
  const violations = await page.evaluate(
    "axe.run().then(({ violations }) => violations)",
  ) as Violation[];
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
