/** The page of a program, where one is wanted: what it needs is loaded only then. */
import type { Page, PageSource } from "./page_starter.ts";

export type { Page } from "./page_starter.ts";

/** @throws Error that says why there is no page. */
export async function startPage(source: PageSource): Promise<Page> {
  const { Page } = await import("./page_starter.ts");
  return await Page.open(source);
}
