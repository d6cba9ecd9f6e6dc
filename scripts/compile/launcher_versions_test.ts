import { equal, ok } from "node:assert/strict";
import { basename, join } from "node:path";
import { buildLauncher, packFile } from "./launcher.ts";
import { Bench, ENCODER, launcher, RUNTIME } from "./test_launcher.ts";

Deno.test("a launcher removes the versions before that nobody runs, and nothing else", async () => {
  await using bench = await Bench.create();
  // Linux knows a script's process by its interpreter, so the runtime is one here.
  const runtime = Deno.readFileSync(Deno.realPathSync("/bin/sh"));
  const bytes = buildLauncher({
    name: "fly",
    names: ["fly"],
    build: "BUILT=in a test",
    runtime: packFile(runtime, 1),
    program: packFile(ENCODER.encode("echo ready; read line"), 9),
    runtimeArguments: ["-e"],
  });
  bench.write(bytes);
  const child = new Deno.Command(bench.file, {
    env: { FLUXIFY_CACHE: bench.cache },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const source = child.stdout.getReader();
  await source.read();
  equal(Deno.readTextFileSync(`/proc/${child.pid}/comm`), "fly\n");
  const inUse = [bench.home(), bench.runtime()].map((path) => basename(path));
  const others = ["fly-notes", `flyer-${"0".repeat(62)}`, "other"];
  for (const name of others) Deno.mkdirSync(join(bench.cache, name));
  const link = join(bench.cache, `fly-${"f".repeat(64)}`);
  Deno.symlinkSync(bench.folder, link);

  bench.write(launcher("fly", "second:"));
  equal((await bench.run(["x"])).stdout, "second:<x>");
  bench.write(launcher("fly", "third:", `${RUNTIME}# newer`));
  equal((await bench.run(["x"])).stdout, "third:<x>");
  const kept = [...others, ...inUse, basename(link)];
  equal(bench.names().length, kept.length + 2, bench.names().join(" "));
  ok(kept.every((name) => bench.names().includes(name)), bench.names().join(" "));

  await child.stdin.close();
  await source.cancel();
  await child.status;
  bench.write(launcher("fly", "fourth:", `${RUNTIME}# newer`));
  equal((await bench.run(["x"])).stdout, "fourth:<x>");
  ok(!inUse.some((name) => bench.names().includes(name)), bench.names().join(" "));
  equal(bench.names().length, others.length + 1 + 2);
});
