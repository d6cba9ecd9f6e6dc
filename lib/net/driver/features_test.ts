import { deepEqual } from "node:assert/strict";
import { dictionaryFeature } from "../../protocol/compression/dictionary.ts";
import { FEATURE_ECN, FEATURE_X1, sessionFeatures } from "./features.ts";

const DICTIONARY = dictionaryFeature();

Deno.test("the dictionary is used by x1 peers that both have this very one", () => {
  const uses = (...features: string[]) => sessionFeatures(features);
  const neither = { usesDictionary: false, carriesEcn: false };
  deepEqual(uses(), { x1: false, ...neither });
  deepEqual(uses(FEATURE_X1), { x1: true, ...neither });
  deepEqual(uses(FEATURE_X1, DICTIONARY), { x1: true, ...neither, usesDictionary: true });
  deepEqual(uses(DICTIONARY, FEATURE_X1), { x1: true, ...neither, usesDictionary: true });
  deepEqual(uses(FEATURE_X1, "zstd-00000000"), { x1: true, ...neither });
  deepEqual(uses(DICTIONARY), { x1: false, ...neither });
});

Deno.test("datagrams may be marked between x1 peers that both pass marks on", () => {
  const carries = (...features: string[]) => sessionFeatures(features).carriesEcn;
  deepEqual(carries(FEATURE_X1, FEATURE_ECN), true);
  deepEqual(carries(FEATURE_X1), false);
  deepEqual(carries(FEATURE_ECN), false);
});
