import { deepEqual } from "node:assert/strict";
import { dictionaryFeature } from "../../protocol/compression/dictionary.ts";
import {
  FEATURE_ECN,
  FEATURE_ORDER,
  FEATURE_REPAIR,
  FEATURE_X1,
  sessionFeatures,
} from "./features.ts";

const DICTIONARY = dictionaryFeature();

Deno.test("the dictionary is used by x1 peers that both have this very one", () => {
  const uses = (...features: string[]) => sessionFeatures(features);
  const neither = { usesDictionary: false, carriesEcn: false, ordersFlows: false, repairs: false };
  deepEqual(uses(), { x1: false, ...neither });
  deepEqual(uses(FEATURE_X1), { x1: true, ...neither });
  deepEqual(uses(FEATURE_X1, DICTIONARY), { x1: true, ...neither, usesDictionary: true });
  deepEqual(uses(DICTIONARY, FEATURE_X1), { x1: true, ...neither, usesDictionary: true });
  deepEqual(uses(FEATURE_X1, "zstd-00000000"), { x1: true, ...neither });
  deepEqual(uses(DICTIONARY), { x1: false, ...neither });
});

Deno.test("flows use several paths between x1 peers that both know how", () => {
  const orders = (...features: string[]) => sessionFeatures(features).ordersFlows;
  deepEqual(orders(FEATURE_X1, FEATURE_ORDER), true);
  deepEqual(orders(FEATURE_X1), false);
  deepEqual(orders(FEATURE_ORDER), false);
});

Deno.test("packets are repaired between x1 peers that put flows in order and both know how", () => {
  const repairs = (...features: string[]) => sessionFeatures(features).repairs;
  deepEqual(repairs(FEATURE_X1, FEATURE_ORDER, FEATURE_REPAIR), true);
  deepEqual(repairs(FEATURE_X1, FEATURE_ORDER), false);
  deepEqual(repairs(FEATURE_X1, FEATURE_REPAIR), false);
  deepEqual(repairs(FEATURE_ORDER, FEATURE_REPAIR), false);
});

Deno.test("datagrams may be marked between x1 peers that both pass marks on", () => {
  const carries = (...features: string[]) => sessionFeatures(features).carriesEcn;
  deepEqual(carries(FEATURE_X1, FEATURE_ECN), true);
  deepEqual(carries(FEATURE_X1), false);
  deepEqual(carries(FEATURE_ECN), false);
});
