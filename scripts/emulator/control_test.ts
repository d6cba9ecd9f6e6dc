import { deepEqual, throws } from "node:assert/strict";
import { parseConfiguration, parseRequest } from "./control.ts";

Deno.test("a change names its link, both directions unless said", () => {
  deepEqual(parseRequest('{"link":"fiber","direction":"up","rateMbit":10}'), {
    kind: "change",
    link: "fiber",
    direction: "up",
    settings: { rateMbit: 10 },
  });
  deepEqual(parseRequest('{"link":"fiber","cut":true}'), {
    kind: "change",
    link: "fiber",
    direction: "both",
    settings: { cut: true },
  });
  deepEqual(parseRequest('{"link":"fiber","mtuBytes":1400,"duplicateRate":0.05}'), {
    kind: "change",
    link: "fiber",
    direction: "both",
    settings: { mtuBytes: 1400, duplicateRate: 0.05 },
  });
  deepEqual(parseRequest('{"statistics":true}'), { kind: "statistics" });
});

for (
  const [line, why] of [
    ["", /not JSON/],
    ["[]", /request/],
    ['{"rateMbit":1}', /link/],
    ['{"link":"x","rateMbit":0}', /rateMbit/],
    ['{"link":"x","rateMbit":"1"}', /rateMbit/],
    ['{"link":"x","lossRate":1.5}', /lossRate/],
    ['{"link":"x","duplicateRate":-1}', /duplicateRate/],
    ['{"link":"x","mtuBytes":-1}', /mtuBytes/],
    ['{"link":"x","mtuBytes":1400.5}', /mtuBytes/],
    ['{"link":"x","delayMs":-1}', /delayMs/],
    ['{"link":"x","direction":"left"}', /direction/],
    ['{"link":"x","rateMbps":1}', /rateMbps/],
    ['{"statistics":false}', /link/],
  ] as const
) {
  Deno.test(`the request ${line || "(empty)"} is refused`, () => {
    throws(() => parseRequest(line), why);
  });
}

for (
  const [json, why] of [
    ['{"links":[]}', /links/],
    ['{"links":[{"name":"a-name-too-long"}]}', /name/],
    ['{"links":[{"name":"a/b"}]}', /name/],
    ['{"links":[{"name":"a"},{"name":"a"}]}', /same name/],
    ['{"links":[{"name":"a","up":{"rateMbit":-1}}]}', /rateMbit/],
  ] as const
) {
  Deno.test(`the configuration ${json} is refused`, () => {
    throws(() => parseConfiguration(json), why);
  });
}
