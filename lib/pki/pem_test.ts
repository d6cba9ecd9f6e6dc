import assert from "node:assert/strict";
import fc from "fast-check";
import { encodePem, parsePem } from "./pem.ts";
import { refuses } from "../../testing/pki/refusal.ts";

Deno.test("parsePem() finds what encodePem() wrote, whatever surrounds it", () => {
  const noise = fc.string().filter((text) => !text.includes("-----"));
  const label = fc.constantFrom("CERTIFICATE", "EC PRIVATE KEY", "X509 CRL");
  const block = fc.tuple(noise, label, fc.uint8Array({ maxLength: 300 }));
  fc.assert(fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), (blocks) => {
    const text = blocks.map(([before, label, der]) => `${before}\n${encodePem(label, der)}`).join(
      "",
    );
    assert.deepEqual(
      parsePem(text, "file"),
      blocks.map(([, label, der]) => ({ label, text: encodePem(label, der) })),
    );
  }));
});

Deno.test("parsePem() reads files with CRLF line ends", () => {
  const text = encodePem("CERTIFICATE", new Uint8Array(100));
  assert.deepEqual(parsePem(text.replaceAll("\n", "\r\n"), "file"), [
    { label: "CERTIFICATE", text },
  ]);
});

Deno.test("parsePem() refuses what is not PEM, and says how to convert DER", async () => {
  for (const text of ["", "hello", "\u0030\u0082", "----BEGIN X-----"]) {
    await refuses(() => parsePem(text, "a.pem"), "not PEM", "a.pem", /not a PEM file.*-inform der/);
  }
});

Deno.test("parsePem() refuses a block that is cut short, mislabelled or endless", async () => {
  const whole = encodePem("CERTIFICATE", new Uint8Array(100));
  const damaged = [
    whole.slice(0, -20),
    whole.slice(0, 30),
    whole.replace("END CERTIFICATE", "END X509 CRL"),
    "-----BEGIN -----",
    `-----BEGIN ${"A".repeat(65)}-----\n-----END ${"A".repeat(65)}-----`,
    "-----BEGIN A-----".repeat(10_000),
    whole + whole.slice(0, 40),
  ];
  for (const text of damaged) {
    await refuses(() => parsePem(text, "a.pem"), "damaged", "a.pem", /cut short/);
  }
});
