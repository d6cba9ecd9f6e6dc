import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { openServerPki } from "./server_pki.ts";
import { importRevocations } from "./revocation_import.ts";
import { RevocationList } from "./revocation_list.ts";

Deno.test("importRevocations() adds what the list does not have, and keeps what it has", async () => {
  await using temporary = await TemporaryDirectory.create();
  const directory = temporary.path;
  const now = new Date();
  const pki = await openServerPki(directory, { hosts: [], regenerate: false, now });
  await pki.issueClient("anna", now);
  const { revocations: [own] } = await pki.revokeClient("anna", now);
  const notAfter = new Date(now.getTime() + 86_400_000);
  const other = { serial: "AB12", commonName: "bob", revokedAt: now, notAfter };
  await importRevocations(directory, [other, { ...own!, commonName: "mallory" }], now);
  await importRevocations(directory, [other], now);
  const list = RevocationList.open(join(directory, "revoked.json"));
  deepEqual(list.entries().map(({ serial }) => serial), [own!.serial, "AB12"]);
  equal(list.entries()[0]!.commonName, "anna");
  equal(pki.revocations.isRevoked("ab12"), true);
});
