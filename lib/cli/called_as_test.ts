import { equal } from "node:assert/strict";
import { inWordsOfCaller, wordFor } from "./called_as.ts";

Deno.test("wordFor() is the name where the shell finds it, else the path it was called by", () => {
  const searched = ["/usr/local/bin", "/usr/bin"];
  const cases: [path: string | null, expected: string][] = [
    [null, "fluxify-server"],
    ["fluxify-server", "fluxify-server"],
    ["bin/fluxify-server", "bin/fluxify-server"],
    ["./fluxify-server", "./fluxify-server"],
    ["/opt/fluxify/fluxify-server", "/opt/fluxify/fluxify-server"],
    ["/usr/local/bin/fluxify-server", "fluxify-server"],
    ["/usr/bin/deno", "fluxify-server"],
    ["/tmp/a b/fluxify-server", "fluxify-server"],
    ["/tmp/\x1b[2J/fluxify-server", "fluxify-server"],
  ];
  for (const [path, expected] of cases) {
    equal(wordFor("fluxify-server", path, searched), expected, String(path));
  }
});

Deno.test("inWordsOfCaller() changes commands in quotes, and nothing else", () => {
  const text = `fluxify-server is up: "fluxify-server cert new a", 'fluxify-server setup'`;
  equal(
    inWordsOfCaller(text, "fluxify-server", "bin/fluxify-server"),
    `fluxify-server is up: "bin/fluxify-server cert new a", 'bin/fluxify-server setup'`,
  );
});
