import { equal, match, ok } from "node:assert/strict";
import { dictionaryFeature, packetDictionary } from "./dictionary.ts";

/** RFC 8878, section 5. */
const MAGIC = 0xec30a437;

Deno.test("the dictionary is the one that docs/protocol.md names", () => {
  equal(dictionaryFeature(), "zstd-83ec80b8");
  const document = Deno.readTextFileSync(new URL("../../../docs/protocol.md", import.meta.url));
  ok(document.includes(dictionaryFeature()));
});

Deno.test("the dictionary has tables before its text, and the text is printable", () => {
  const dictionary = packetDictionary();
  equal(new DataView(dictionary.buffer).getUint32(0, true), MAGIC);
  match(new TextDecoder().decode(dictionary.subarray(-4000)), /^[\x20-\x7e]+ of the $/);
});

Deno.test("each call gives a dictionary of its own", () => {
  const first = packetDictionary();
  first.fill(0);
  ok(packetDictionary().some((byte) => byte !== 0));
});
