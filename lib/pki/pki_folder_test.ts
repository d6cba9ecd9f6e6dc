import assert from "node:assert/strict";
import { join } from "node:path";
import { findPkiFolder, pkiFoldersFor } from "./pki_folder.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

Deno.test("the first folder with a CA is taken, else the first", async () => {
  await using directory = await TemporaryDirectory.create();
  const [near, far] = [join(directory.path, "near"), join(directory.path, "far")];
  assert.equal(await findPkiFolder([near, far]), near);
  await Deno.mkdir(far);
  assert.equal(await findPkiFolder([near, far]), near);
  await Deno.writeTextFile(join(far, "ca.pem"), "");
  assert.equal(await findPkiFolder([near, far]), far);
  await Deno.mkdir(near);
  await Deno.writeTextFile(join(near, "ca.pem"), "");
  assert.equal(await findPkiFolder([near, far]), near);
});

Deno.test("only root looks into the system's folder", () => {
  assert.deepEqual(pkiFoldersFor(0), ["./pki", "/etc/fluxify/pki"]);
  assert.deepEqual(pkiFoldersFor(1000), ["./pki"]);
});
