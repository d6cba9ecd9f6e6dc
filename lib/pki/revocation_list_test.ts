import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import {
  addRevocation,
  decodeRevocations,
  encodeRevocations,
  type Revocation,
  REVOCATIONS_MAX,
} from "./revocation_file.ts";
import { RevocationList } from "./revocation_list.ts";
import { PUBLIC_FILE_MODE, writeFilesAtomically } from "./secure_file.ts";
import { refuses } from "../../testing/pki/refusal.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const LATER = new Date("2028-06-01T12:00:00Z");

function entry(serial: string, commonName = "alice", notAfter = LATER): Revocation {
  return { serial, commonName, revokedAt: NOW, notAfter };
}

async function write(path: string, revocations: Revocation[]): Promise<void> {
  const text = encodeRevocations(revocations);
  await writeFilesAtomically([{ path, text, mode: PUBLIC_FILE_MODE }]);
}

Deno.test("decodeRevocations() returns what encodeRevocations() was given", () => {
  const date = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2100-01-01") });
  const revocation = fc.record({
    serial: fc.bigInt({ min: 0n, max: 2n ** 159n }).map((serial) =>
      serial.toString(16).toUpperCase()
    ),
    commonName: fc.string({ maxLength: 64, unit: "binary" }),
    revokedAt: date,
    notAfter: date,
  }, { noNullPrototype: true });
  fc.assert(fc.property(fc.array(revocation), (revocations) => {
    assert.deepEqual(decodeRevocations(encodeRevocations(revocations), "file"), revocations);
  }));
});

Deno.test("decodeRevocations() refuses everything else", async () => {
  const good = JSON.parse(encodeRevocations([entry("1A")]));
  const [revoked] = good.revoked;
  const bad = [
    ...["", "{", "null", "[]", "{}", '{"version":1}', '{"version":1,"revoked":{}}'],
    JSON.stringify({ ...good, version: 2 }),
    ...[{ serial: "1a" }, { serial: "01A" }, { serial: "" }, { serial: "x" }, { serial: 26 }]
      .map((part) => JSON.stringify({ ...good, revoked: [{ ...revoked, ...part }] })),
    JSON.stringify({ ...good, revoked: [{ ...revoked, revokedAt: "yesterday" }] }),
    JSON.stringify({ ...good, revoked: [{ ...revoked, notAfter: undefined }] }),
    JSON.stringify({ ...good, revoked: [{ ...revoked, commonName: "x".repeat(257) }] }),
    JSON.stringify({ ...good, revoked: Array(REVOCATIONS_MAX + 1).fill(revoked) }),
  ];
  for (const text of bad) {
    const path = "revoked.json";
    await refuses(() => decodeRevocations(text, path), "damaged", path, /restore it from a backup/);
  }
});

Deno.test("addRevocation() makes room by dropping expired certificates, then refuses", async () => {
  const full = Array.from({ length: REVOCATIONS_MAX }, (_, index) => entry(index.toString(16)));
  await refuses(
    () => addRevocation(full, entry("FFFF"), "revoked.json", NOW),
    "too many revocations",
    "revoked.json",
    /holds 4096; .*-regen/,
  );
  full[7] = entry("7", "old", new Date(NOW.getTime() - 1));
  const after = addRevocation(full, entry("FFFF"), "revoked.json", NOW);
  assert.equal(after.length, REVOCATIONS_MAX);
  assert.ok(!after.includes(full[7]!) && after.at(-1)!.serial === "FFFF");
});

Deno.test("RevocationList follows the file: none, written, replaced, shortened", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  const list = RevocationList.open(path);
  assert.equal(list.isRevoked("1A"), false);
  assert.deepEqual(list.poll(), []);

  await write(path, [entry("1A")]);
  assert.equal(list.isRevoked("1A"), true);
  assert.equal(list.isRevoked("1B"), false);
  await write(path, [entry("1A"), entry("1B", "bob")]);
  assert.deepEqual(
    list.poll(),
    [entry("1A"), entry("1B", "bob")],
    "isRevoked() takes no news away",
  );
  assert.deepEqual(list.poll(), []);

  await write(path, [entry("1B", "bob")]);
  assert.equal(list.isRevoked("1A"), true, "until the process ends");
  assert.equal(RevocationList.open(path).isRevoked("1A"), false);
  assert.deepEqual(list.poll(), []);
  assert.deepEqual(list.entries(), [entry("1B", "bob")]);
  assert.equal(list.problem, null);
});

Deno.test("RevocationList looks at the file once for all that is asked in one go", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  const list = RevocationList.open(path);
  await write(path, [entry("1A")]);
  const text = Deno.readTextFileSync(path);
  Deno.removeSync(path);
  assert.equal(list.isRevoked("1A"), false);
  Deno.writeTextFileSync(path, text);
  assert.equal(list.isRevoked("1A"), false, "a server asks so of each of its sessions");
  await Promise.resolve();
  assert.equal(list.isRevoked("1A"), true);
});

Deno.test("RevocationList notices a file written in place", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  await write(path, []);
  const list = RevocationList.open(path);
  await Deno.writeTextFile(path, encodeRevocations([entry("1A")]));
  assert.equal(list.isRevoked("1A"), true);
});

Deno.test("RevocationList knows at opening what was revoked before, and calls it no news", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  await write(path, [entry("1A")]);
  const list = RevocationList.open(path);
  assert.deepEqual(list.poll(), []);
  assert.equal(list.isRevoked("1A"), true);
});

Deno.test("RevocationList compares serials as numbers, and takes nonsense for revoked", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  await write(path, [entry("1AF")]);
  const list = RevocationList.open(path);
  for (const serial of ["1af", "01AF", "0001aF"]) assert.equal(list.isRevoked(serial), true);
  for (const serial of ["", "undefined", "1A:F0", "0x1A"]) {
    assert.equal(list.isRevoked(serial), true, serial);
  }
  for (const serial of ["0", "00", "1A", "1AF0"]) assert.equal(list.isRevoked(serial), false);
});

Deno.test("RevocationList keeps the last good list while the file is damaged or gone", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  await write(path, [entry("1A")]);
  const list = RevocationList.open(path);
  await Deno.writeTextFile(path, "{");
  assert.equal(list.isRevoked("1A"), true);
  assert.match(list.problem ?? "", /damaged.*the list read before stays in force/);
  await Deno.remove(path);
  assert.equal(list.isRevoked("1A"), true);
  assert.match(list.problem ?? "", /disappeared; restore it/);
  await Deno.mkdir(path);
  assert.equal(list.isRevoked("1A"), true);
  assert.match(list.problem ?? "", /is a directory/);
  await Deno.remove(path);
  await write(path, [entry("1A"), entry("1B")]);
  assert.deepEqual(list.poll(), [entry("1B")]);
  assert.equal(list.problem, null);
});

Deno.test("RevocationList does not open a list it cannot read", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  await Deno.writeTextFile(path, "{");
  await refuses(() => RevocationList.open(path), "damaged", path, /restore it from a backup/);
  await Deno.truncate(path, 4 * 1024 * 1024 + 1);
  await refuses(() => RevocationList.open(path), "damaged", path, /larger than 4194304 bytes/);
  await Deno.remove(path);
  await Deno.mkdir(path);
  await refuses(() => RevocationList.open(path), "unreadable", path, /is a directory/);
});

Deno.test("RevocationList holds a bounded number of revocations, those in the file before all", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "revoked.json");
  const list = RevocationList.open(path);
  const batch = (start: number) =>
    Array.from({ length: REVOCATIONS_MAX }, (_, index) => {
      return entry((start + index).toString(16).toUpperCase());
    });
  for (const start of [0x10000, 0x20000, 0x30000]) {
    await write(path, batch(start));
    assert.equal(list.isRevoked(start.toString(16)), true);
  }
  assert.equal(list.poll().length, 2 * REVOCATIONS_MAX);
  assert.equal(list.isRevoked("20000"), true);
  assert.equal(list.isRevoked("10000"), false);
});
