import { equal } from "node:assert/strict";
import { KnownSources } from "./known_sources.ts";

Deno.test("KnownSources holds the 4096 that were let in last", () => {
  const sources = new KnownSources();
  for (let i = 0; i < 4096; i++) sources.add(`source ${i}`);
  sources.add("source 0");
  sources.add("one more");
  equal(sources.has("source 0"), true, "let in again");
  equal(sources.has("source 1"), false, "the oldest made room");
  equal(sources.has("source 2"), true);
  equal(sources.has("a stranger"), false);
});
