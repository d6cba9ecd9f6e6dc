import { deepEqual } from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { groupTests, withoutScenarios } from "./groups.ts";

Deno.test("groupTests() gives every test in namespaces a process, and those that measure the end", () => {
  const root = Deno.makeTempDirSync();
  try {
    const files = {
      "lib/a_test.ts": "Deno.test()",
      "lib/deep/b_test.ts": "Deno.test()",
      "lib/c_test.ts": "...needsRoot()",
      "lib/deep/er/e_test.ts": "Deno.test()",
      "lib/c.ts": "...needsRoot()",
      "tests/d_test.ts": 'topic("x", f)',
      "tests/e2e/kill_switch_test.ts": 'topic("y", f)',
      "scripts/demo_test.ts": "Namespace.create()",
    };
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    deepEqual(groupTests(root, ["lib", "scripts", "tests"]), {
      together: [
        ["lib/a_test.ts"],
        ["lib/deep/b_test.ts", "lib/deep/er/e_test.ts"],
        ["tests/e2e/kill_switch_test.ts"],
        ["tests/d_test.ts"],
        ["lib/c_test.ts"],
      ],
      alone: [["scripts/demo_test.ts"]],
    });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("withoutScenarios() leaves out tests/e2e, but for a few", () => {
  const groups = withoutScenarios({
    together: [["lib/a_test.ts"], ["tests/e2e/dns_test.ts"], ["tests/e2e/traffic_test.ts"]],
    alone: [["tests/e2e/schedulers_test.ts"], ["scripts/demo_test.ts"]],
  });
  deepEqual(groups, {
    together: [["lib/a_test.ts"], ["tests/e2e/traffic_test.ts"]],
    alone: [["scripts/demo_test.ts"]],
  });
});
