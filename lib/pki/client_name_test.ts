import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isStoredClientName,
  requireNewClientName,
  requireStoredClientName,
} from "./client_name.ts";
import { PkiError } from "./pki_error.ts";

const BAD_FOR_ALL = [
  ...["", ".", "..", ".hidden", "-rf", "a/b", "../a", "/etc/passwd", "a\0b", "a\nb"],
  ...["a\x1b[2J", "alice-key"],
];
const BAD_FOR_NEW = [...BAD_FOR_ALL, "a b", "käthe", "a,b", "a=b", "a".repeat(65), "a\\b", "*"];

Deno.test("requireNewClientName() takes letters, digits, dot, underscore and dash", () => {
  for (const name of ["a", "alice", "Router-7", "_x", "a..b", "0", "a".repeat(64), "key"]) {
    requireNewClientName(name);
  }
});

Deno.test("requireNewClientName() refuses each other name", () => {
  for (const name of BAD_FOR_NEW) {
    assert.throws(() => requireNewClientName(name), { code: "bad name" }, name);
  }
});

Deno.test("requireStoredClientName() takes names of other programs, but none that leaves the directory", () => {
  requireStoredClientName("Jane Doe");
  for (const name of BAD_FOR_ALL) {
    assert.throws(() => requireStoredClientName(name), { code: "bad name" }, name);
  }
});

Deno.test("a refused name is quoted without control characters and at bounded length", () => {
  assert.throws(() => requireNewClientName("\x1b".repeat(5000)), (error: unknown) => {
    assert.ok(error instanceof PkiError);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(error.message, /[\x00-\x1f]/);
    return error.message.length < 1000;
  });
});

Deno.test("every name that can be given can be found again, and stays one path component", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 80 }), (name) => {
    try {
      requireNewClientName(name);
    } catch {
      return;
    }
    assert.ok(isStoredClientName(name));
    assert.ok(!name.includes("/") && name !== "." && name !== "..");
  }));
});
