import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import { checkRepository } from "./check_layers.ts";
import { checkManifest, checkModule } from "./check_layers/rules.ts";

const messages = (file: string, source: string) =>
  checkModule(file, source).map(({ line, message }) => `${line}: ${message}`);

Deno.test("checkModule() lets imports point down", () => {
  const allowed: [string, string][] = [
    ["client/main.ts", "../lib/net/tun/tun.ts"],
    ["server/main.ts", "../lib/protocol/units.ts"],
    ["server/control/a.ts", "../sessions/b.ts"],
    ["lib/net/tun/tun.ts", "../../ffi/libc/libc.ts"],
    ["lib/ffi/libc/libc.ts", "../../protocol/units.ts"],
    ["lib/cli/version.ts", "../../deno.json"],
    ["lib/net/tun/tun_test.ts", "../../../tests/netns/veth.ts"],
    ["tests/e2e_test.ts", "../client/main.ts"],
    ["scripts/demo.ts", "../server/main.ts"],
    ["mod.ts", "./lib/net/engine.ts"],
    ["lib/cli/log.ts", "@logtape/logtape"],
  ];
  for (const [file, specifier] of allowed) {
    deepEqual(messages(file, `import { a } from "${specifier}";\n`), [], `${file} ${specifier}`);
  }
});

Deno.test("checkModule() refuses imports that point up or sideways", () => {
  const refused: [string, string][] = [
    ["client/main.ts", "../server/options.ts"],
    ["server/main_test.ts", "../client/config/options.ts"],
    ["lib/net/tun/tun.ts", "../../cli/log.ts"],
    ["lib/net/tun/tun.ts", "../../../client/main.ts"],
    ["lib/ffi/libc/libc.ts", "../../net/tun/tun.ts"],
    ["lib/protocol/units.ts", "../ffi/libc/libc.ts"],
    ["lib/net/tun/tun.ts", "../../../tests/netns/veth.ts"],
    ["lib/net/tun/tun.ts", "../../../mod.ts"],
    ["client/main.ts", `../${"scripts"}/demo.ts`],
  ];
  for (const [file, specifier] of refused) {
    const statements = [
      `import { a } from "${specifier}";`,
      `import type { A } from "${specifier}";`,
      `export * from "${specifier}";`,
      `import "${specifier}";`,
      `const a = await import("${specifier}");`,
    ];
    for (const statement of statements) {
      const [found, ...more] = checkModule(file, `\n${statement}\n`);
      equal(found?.line, 2, `${file}: ${statement}`);
      match(found!.message, /must not know/);
      deepEqual(more, []);
    }
  }
  deepEqual(messages("lib/extra/a.ts", ""), ["1: is in no layer: see MAY_IMPORT"]);
});

Deno.test("checkModule() keeps the order of the folders of lib/protocol", () => {
  const allowed: [string, string][] = [
    ["session/session.ts", "../wire/header.ts"],
    ["v1/v1_wire.ts", "../session/heartbeats.ts"],
    ["schedule/scheduling.ts", "../path/session_path.ts"],
    ["schedule/aggregate/lanes.ts", "../../path/capacity.ts"],
    ["schedule/aggregate/lanes.ts", "../flow_table.ts"],
    ["path/session_path.ts", "./eligibility.ts"],
    ["packet/segment.ts", "../units.ts"],
    ["receive/a_test.ts", "../schedule/b.ts"],
  ];
  for (const [file, specifier] of allowed) {
    const source = `import { a } from "${specifier}";\n`;
    deepEqual(messages(`lib/protocol/${file}`, source), [], `${file} ${specifier}`);
  }
  const refused: [string, string][] = [
    ["wire/control_message.ts", "../crypto/key_schedule.ts"],
    ["wire/header_test.ts", "../session/session.ts"],
    ["crypto/packet_protection.ts", "../session/session_options.ts"],
    ["schedule/dispatch.ts", "../session/session.ts"],
    ["schedule/aggregate/lanes.ts", "../../session/session.ts"],
    ["schedule/flow_table.ts", "../receive/reorder_buffer.ts"],
    ["session/session.ts", "../v1/freshness.ts"],
    ["path/session_path.ts", "../schedule/standing.ts"],
    ["session/session.ts", "../unheard_of/a.ts"],
    ["unheard_of/a.ts", "../wire/header.ts"],
  ];
  for (const [file, specifier] of refused) {
    const found = messages(`lib/protocol/${file}`, `import type { A } from "${specifier}";\n`);
    equal(found.length, 1, `${file} ${specifier}`);
    match(found[0]!, /^1: imports .* must not know/);
  }
});

Deno.test("checkModule() keeps lib/protocol pure", () => {
  const impure = [
    "Deno.args",
    "Date.now()",
    "new Date()",
    "performance.now()",
    "setTimeout(f)",
    "setInterval(f)",
    "setImmediate(f)",
    "queueMicrotask(f)",
    "Math.random()",
    "globalThis.Deno",
    "crypto.getRandomValues(a)",
    "process.env",
    "console.log(1)",
    "fetch(a)",
    "`${Deno.args}`",
  ];
  for (const expression of impure) {
    const source = `\nexport const a = () => ${expression};\n`;
    const [found] = checkModule("lib/protocol/a.ts", source);
    equal(found?.line, 2, expression);
    match(found!.message, /lib\/protocol is pure/);
    deepEqual(checkModule("lib/protocol/a_test.ts", source), []);
    deepEqual(checkModule("lib/net/a.ts", source), []);
  }
});

Deno.test("checkModule() does not mistake words for use", () => {
  const pure = [
    "// Deno, Date and Math.random() are not used",
    "/* performance.now() */",
    'const a = "Deno.args";',
    "const a = `Date.now() of ${b}`;",
    "const a = /Deno/;",
    "const a = link.performance;",
    "interface A { performance: number }",
    "const updateDate = DateLike;",
  ];
  for (const line of pure) deepEqual(messages("lib/protocol/a.ts", `${line}\n`), [], line);
});

Deno.test("checkModule() knows which built-ins are deterministic", () => {
  const allowed = [
    'import { createHmac, hkdfSync as derive } from "node:crypto";',
    'import { type CipherGCM, createCipheriv } from "node:crypto";',
    'import type { Hash } from "node:crypto";',
    'import { gunzipSync, constants } from "node:zlib";',
    'import { isIPv6 } from "node:net";',
  ];
  for (const line of allowed) deepEqual(messages("lib/protocol/a.ts", line), [], line);
  const refused = [
    'import { scrypt } from "node:crypto";',
    'import * as crypto from "node:crypto";',
    'import crypto from "node:crypto";',
    'import { createGzip } from "node:zlib";',
    'import { gunzip } from "node:zlib";',
    'import { connect } from "node:net";',
    'import { readFileSync } from "node:fs";',
    'import "node:dgram";',
    'const fs = await import("node:fs");',
    'export * from "node:net";',
  ];
  for (const line of refused) {
    equal(messages("lib/protocol/a.ts", line).length, 1, line);
    deepEqual(messages("lib/protocol/a_test.ts", line), [], line);
  }
});

Deno.test("checkModule() refuses sources outside the npm registry, in tests too", () => {
  for (const specifier of ["jsr:@std/path", "https://deno.land/x/a.ts", "http://a/b.ts"]) {
    for (const file of ["lib/net/a.ts", "scripts/a_test.ts", "mod.ts"]) {
      equal(messages(file, `import { a } from "${specifier}";`).length, 1, specifier);
    }
  }
});

Deno.test("checkModule() wants a reason for more than 400 lines", () => {
  const lines = (count: number) => "// a\n".repeat(count);
  deepEqual(messages("lib/net/a.ts", lines(400)), []);
  deepEqual(messages("lib/net/a.ts", lines(401)), [
    "401: has 401 lines: split it, or say why in a line '// long: reason'",
  ]);
  equal(messages("lib/net/a.ts", "// long: \n" + lines(400)).length, 1);
  deepEqual(messages("lib/net/a.ts", "// long: one table\n" + lines(400)), []);
});

Deno.test("checkModule() refuses names that say nothing", () => {
  for (const name of ["util.ts", "utils.ts", "helper.ts", "helpers.ts", "common.ts"]) {
    equal(messages(`lib/net/${name}`, "").length, 1, name);
  }
  deepEqual(messages("lib/net/common_name.ts", ""), []);
});

Deno.test("checkManifest() looks behind short names", () => {
  const manifest = '{ "imports": {\n  "a": "npm:a@1.0.0",\n  "b": "jsr:@b/b@1.0.0"\n} }';
  deepEqual(checkManifest(manifest), [{
    file: "deno.json",
    line: 3,
    message: "maps to 'jsr:@b/b@1.0.0': use an npm package",
  }]);
  deepEqual(checkManifest("{}"), []);
});

Deno.test("checkRepository() walks the folders and names each violation", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(root, "lib/net"), { recursive: true });
    await Deno.writeTextFile(join(root, "deno.json"), "{}");
    await Deno.writeTextFile(join(root, "mod.ts"), 'export * from "./lib/net/a.ts";\n');
    await Deno.writeTextFile(join(root, "lib/net/a.ts"), 'import "../cli/b.ts";\n');
    await Deno.writeTextFile(join(root, "lib/net/notes.txt"), 'import "../cli/b.ts";\n');
    const { files, violations } = checkRepository(root);
    equal(files, 2);
    deepEqual(violations.map(({ file, line }) => `${file}:${line}`), ["lib/net/a.ts:1"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
