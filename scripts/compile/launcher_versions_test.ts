import { equal, ok } from "node:assert/strict";
import { basename, join } from "node:path";
import { buildLauncher, packFile } from "./launcher.ts";
import { Bench, ENCODER, RUNTIME } from "./test_launcher.ts";

/** Bench with `bench.file` replaced by a version that says `program`. */
function newVersion(bench: Bench, program: string): void {
  bench.write(buildLauncher({
    name: "fly",
    runtime: packFile(ENCODER.encode(RUNTIME), 9),
    program: packFile(ENCODER.encode(program), 9),
    runtimeArguments: ["run", "--flag=a b", "--last-flag"],
    cache: { kind: "folder", path: bench.cache },
  }));
}

Deno.test("a launcher removes the versions before that nobody runs, and nothing else", async () => {
  await using bench = await Bench.create();
  // Linux knows a script's process by its interpreter, so the runtime is one here.
  const runtime = Deno.readFileSync(Deno.realPathSync("/bin/sh"));
  const bytes = buildLauncher({
    name: "fly",
    runtime: packFile(runtime, 1),
    program: packFile(ENCODER.encode("echo ready; read line"), 9),
    runtimeArguments: ["-e"],
    cache: { kind: "folder", path: bench.cache },
  });
  bench.write(bytes);
  const child = new Deno.Command(bench.file, { stdin: "piped", stdout: "piped" }).spawn();
  const source = child.stdout.getReader();
  await source.read();
  equal(Deno.readTextFileSync(`/proc/${child.pid}/comm`), "fly\n");
  const inUse = bench.home();
  const others = ["fly-notes", `flyer-${"0".repeat(62)}`, "other"];
  for (const name of others) Deno.mkdirSync(join(bench.cache, name));
  const link = join(bench.cache, `fly-${"f".repeat(64)}`);
  Deno.symlinkSync(bench.folder, link);

  newVersion(bench, "second:");
  equal((await bench.run(["x"])).stdout, "second:<x>");
  newVersion(bench, "third:");
  equal((await bench.run(["x"])).stdout, "third:<x>");
  const left = () => [...Deno.readDirSync(bench.cache)].map(({ name }) => name);
  const kept = [...others, basename(inUse), basename(link)];
  equal(left().length, kept.length + 1);
  ok(kept.every((name) => left().includes(name)), left().join(" "));

  await child.stdin.close();
  await source.cancel();
  await child.status;
  newVersion(bench, "fourth:");
  equal((await bench.run(["x"])).stdout, "fourth:<x>");
  ok(!left().includes(basename(inUse)));
  equal(left().length, kept.length);
});
