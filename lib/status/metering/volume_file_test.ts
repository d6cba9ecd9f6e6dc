import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { VolumeFile } from "./volume_file.ts";

const VOLUME = { month: "2026-11", bytes: 12, counter: 34, index: 5, boot: "boot" };

/** A state directory of this test, which the environment names. */
async function stateDirectory() {
  const before = Deno.env.get("FLUXIFY_STATE_DIR");
  const path = await Deno.makeTempDir({ prefix: `fluxify-volumes-${Deno.pid}-` });
  Deno.env.set("FLUXIFY_STATE_DIR", path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      if (before === undefined) Deno.env.delete("FLUXIFY_STATE_DIR");
      else Deno.env.set("FLUXIFY_STATE_DIR", before);
      await Deno.remove(path, { recursive: true });
    },
  };
}

const silent = (line: string) => {
  throw new Error(line);
};

Deno.test("volumes are read as they were written, and none where there is no file", async () => {
  await using _directory = await stateDirectory();
  const file = await VolumeFile.open("home");
  deepEqual(await file.read(silent), new Map());
  const volumes = new Map([["lte", VOLUME], ["sat", { ...VOLUME, bytes: 7 }]]);
  await file.write(volumes);
  deepEqual(await (await VolumeFile.open("home")).read(silent), volumes);
  equal((await Deno.stat(file.path)).mode! & 0o777, 0o600);
});

Deno.test("a file that cannot be used is kept beside, and said", async () => {
  for (const text of ["{", '{"version":2}', '{"version":1,"volumes":{"lte":{"bytes":-1}}}']) {
    await using directory = await stateDirectory();
    const file = await VolumeFile.open("home");
    await Deno.writeTextFile(file.path, text);
    const lines: string[] = [];
    deepEqual(await file.read((line) => lines.push(line)), new Map());
    match(lines.join(), /volumes count from zero/);
    equal(await Deno.readTextFile(join(directory.path, "volumes-home.json.bad")), text);
  }
});

Deno.test("what cannot be written leaves the old volumes as they were", async () => {
  await using directory = await stateDirectory();
  const file = await VolumeFile.open("home");
  await file.write(new Map([["lte", VOLUME]]));
  await Deno.rename(directory.path, `${directory.path}-away`);
  try {
    await rejects(file.write(new Map([["lte", { ...VOLUME, bytes: 99 }]])), /Cannot write/);
  } finally {
    await Deno.rename(`${directory.path}-away`, directory.path);
  }
  deepEqual(await file.read(silent), new Map([["lte", VOLUME]]));
});
