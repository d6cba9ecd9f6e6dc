import { equal } from "node:assert/strict";
import { VERSION } from "./version.ts";
import { describeVersion } from "./version_text.ts";

Deno.test("describeVersion() says what a report of a fault needs", () => {
  const facts = { form: "packed", commit: "4228511c0a", deno: "2.9.6", obstacle: null } as const;
  equal(
    describeVersion("fluxify-client", facts),
    `fluxify-client ${VERSION}\ncommit: 4228511c0a\nbuild: packed\nDeno: 2.9.6\nengine: native\n`,
  );
  equal(
    describeVersion("fluxify-server", {
      form: "source",
      commit: null,
      deno: "2.9.6",
      obstacle: "Cannot open libcrypto.so.3",
    }),
    `fluxify-server ${VERSION}\ncommit: unknown\nbuild: run from source\nDeno: 2.9.6\n` +
      "engine: portable, which is slower: the native one cannot run here " +
      "(Cannot open libcrypto.so.3)\n",
  );
});
