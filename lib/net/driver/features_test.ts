import { deepEqual } from "node:assert/strict";
import { dictionaryFeature } from "../../protocol/compression/dictionary.ts";
import { FEATURE_X1, sessionFeatures } from "./features.ts";

const DICTIONARY = dictionaryFeature();

Deno.test("the dictionary is used by x1 peers that both have this very one", () => {
  const uses = (...features: string[]) => sessionFeatures(features);
  deepEqual(uses(), { x1: false, usesDictionary: false });
  deepEqual(uses(FEATURE_X1), { x1: true, usesDictionary: false });
  deepEqual(uses(FEATURE_X1, DICTIONARY), { x1: true, usesDictionary: true });
  deepEqual(uses(DICTIONARY, FEATURE_X1), { x1: true, usesDictionary: true });
  deepEqual(uses(FEATURE_X1, "zstd-00000000"), { x1: true, usesDictionary: false });
  deepEqual(uses(DICTIONARY), { x1: false, usesDictionary: false });
});
