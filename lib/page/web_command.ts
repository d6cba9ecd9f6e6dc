/** `web`: serves the page beside whatever runs, or tells the link of the one that is served. */
import { EXIT_OK } from "../cli/exit.ts";
import { writeTo } from "../cli/output.ts";
import { type Page, PageServedError } from "./page_starter.ts";

/** Serves until `signal` is aborted. @throws Error that says why it cannot. */
export async function runWeb(open: () => Promise<Page>, signal: AbortSignal): Promise<number> {
  let page: Page;
  try {
    page = await open();
  } catch (error) {
    if (!(error instanceof PageServedError)) throw error;
    writeTo(Deno.stdout, await Deno.readTextFile(error.linkPath));
    return EXIT_OK;
  }
  await using served = page;
  // The link lets in whoever reads it, so it is not for logs.
  const isSeen = Deno.stdout.isTerminal();
  writeTo(Deno.stdout, isSeen ? `${served.link}\n` : `the page is at ${served.address}\n`);
  if (isSeen) {
    writeTo(Deno.stderr, "open that in a browser of this machine; Ctrl-C ends the page\n");
  }
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
  return EXIT_OK;
}
