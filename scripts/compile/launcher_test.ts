import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { buildLauncher, packFile } from "./launcher.ts";
import { Bench, ENCODER, PROGRAM } from "./test_launcher.ts";

const AS_ROOT = Deno.uid() === 0;
const NOBODY = 65534;
const WAITS_MAX = 1500;

Deno.test("a launcher passes every argument as it is", async () => {
  await using bench = await Bench.create();
  const args = ["a b", "", "--", "-x", "it's", '"$HOME"', "*", "line\nfeed", "ü", "--last-flag"];
  for (const start of ["first", "second"]) {
    const { stdout, stderr, code } = await bench.run(args);
    equal(stdout, PROGRAM + args.map((argument) => `<${argument}>`).join(""), start);
    deepEqual([stderr, code], ["", 0], start);
  }
  equal((await bench.run()).stdout, `${PROGRAM}<>`);
});

Deno.test("a launcher becomes the program: exit code, signals, stdin", async () => {
  await using bench = await Bench.create();
  equal((await bench.run(["exit", "7"])).code, 7);
  equal((await bench.run(["die"])).signal, "SIGKILL");

  const reader = new Deno.Command(bench.file, { args: ["read"], stdin: "piped", stdout: "piped" });
  const reading = reader.spawn();
  const writer = reading.stdin.getWriter();
  await writer.write(ENCODER.encode("typed"));
  await writer.close();
  equal(new TextDecoder().decode((await reading.output()).stdout), `${PROGRAM}typed`);

  const waiting = new Deno.Command(bench.file, { args: ["wait"], stdout: "piped" }).spawn();
  const source = waiting.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("ready")) said += (await source.read()).value ?? "";
  waiting.kill("SIGTERM");
  equal((await waiting.status).code, 42);
  for (let part = await source.read(); !part.done; part = await source.read()) said += part.value;
  equal(said, `${PROGRAM}ready\nterminated\n`);
});

Deno.test("a launcher leaves the caller's surroundings alone", async () => {
  await using bench = await Bench.create();
  const command = `umask 027; PATH=/odd:/usr/bin:/bin; cd /; exec "$0" environment`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", command, bench.file] })
    .output();
  const [mask, path, denoFolder, folder] = new TextDecoder().decode(stdout).split("\n");
  deepEqual([mask, path, folder], [`${PROGRAM}0027`, "/odd:/usr/bin:/bin", "/"]);
  equal(denoFolder, join(bench.home(), "state"));
});

Deno.test("a launcher unpacks once, for its user alone", async () => {
  await using bench = await Bench.create();
  await bench.run();
  const first = Deno.statSync(join(bench.home(), "fly"));
  await bench.run();
  const second = Deno.statSync(join(bench.home(), "fly"));
  deepEqual([second.ino, second.mtime], [first.ino, first.mtime]);
  for (const folder of [bench.cache, bench.home()]) {
    equal(Deno.statSync(folder).mode! & 0o777, 0o700);
  }
});

Deno.test("a launcher can be started several times at once", async () => {
  await using bench = await Bench.create();
  const starts = await Promise.all(Array.from({ length: 12 }, (_, n) => bench.run([`${n}`])));
  starts.forEach(({ stdout, stderr }, n) => deepEqual([stdout, stderr], [`${PROGRAM}<${n}>`, ""]));
  deepEqual([...Deno.readDirSync(bench.home())].map((entry) => entry.name).sort(), [
    "fly",
    "program.js",
    "state",
  ]);
});

Deno.test("a launcher that was cut off or changed runs nothing", async () => {
  await using bench = await Bench.create();
  const { bytes } = bench;
  const headerBytes = new TextDecoder("latin1").decode(bytes).indexOf("exit 127\n}\n") + 11;
  // The first line alone is an empty script: there is nothing in it that could refuse.
  for (let length = headerBytes; length > 11; length -= 61) {
    bench.write(bytes.subarray(0, length));
    await bench.refuses(/./, `cut to ${length} bytes`);
  }
  const damaged = /^fly: .*fly is damaged/;
  for (const length of [headerBytes + 1, bytes.byteLength - 1]) {
    bench.write(bytes.subarray(0, length));
    await bench.refuses(damaged, `cut to ${length} bytes`);
  }
  bench.write(new Uint8Array([...bytes, 10]));
  await bench.refuses(damaged, "one byte more");
  for (const at of [headerBytes, bytes.byteLength - 1]) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    bench.write(changed);
    await bench.refuses(damaged, `byte ${at} changed`);
  }
  ok(!existsSync(bench.cache) || [...Deno.readDirSync(bench.cache)].length === 0);
  bench.write(bytes);
  equal((await bench.run(["x"])).stdout, `${PROGRAM}<x>`);
});

Deno.test("a launcher refuses a cache folder that others could write", async () => {
  await using bench = await Bench.create();
  const trap = /^fly: .* must be a folder of user \d+ that no one else can write: remove it\n$/;
  const elsewhere = join(bench.folder, "elsewhere");
  Deno.mkdirSync(elsewhere, { mode: 0o700 });
  Deno.symlinkSync(elsewhere, bench.cache);
  await bench.refuses(trap, "a symbolic link");
  Deno.removeSync(bench.cache);

  Deno.writeTextFileSync(bench.cache, "");
  await bench.refuses(trap, "a file");
  Deno.removeSync(bench.cache);

  for (const mode of [0o720, 0o702, 0o1777]) {
    Deno.mkdirSync(bench.cache);
    Deno.chmodSync(bench.cache, mode);
    await bench.refuses(trap, `mode ${mode.toString(8)}`);
    Deno.removeSync(bench.cache);
  }
  await bench.run();
  const home = bench.home();
  Deno.chmodSync(home, 0o770);
  await bench.refuses(trap, "the unpacked folder");
  Deno.chmodSync(home, 0o700);
  Deno.renameSync(home, join(elsewhere, "home"));
  Deno.symlinkSync(join(elsewhere, "home"), home);
  await bench.refuses(trap, "a symbolic link to the unpacked folder");
  Deno.removeSync(home);
  Deno.symlinkSync("/nowhere", home);
  await bench.refuses(trap, "a symbolic link to nothing");
});

Deno.test({
  name: "a launcher refuses a cache of another user (root)",
  ignore: !AS_ROOT,
  async fn() {
    await using bench = await Bench.create();
    await bench.run();
    const home = bench.home();
    for (const path of [bench.cache, home]) {
      Deno.chownSync(path, NOBODY, NOBODY);
      await bench.refuses(/must be a folder of user 0/, path);
      Deno.chownSync(path, 0, 0);
    }
    Deno.chownSync(join(home, "fly"), NOBODY, NOBODY);
    await bench.refuses(/is damaged: remove it/, "the runtime");
  },
});

Deno.test("a launcher refuses unpacked files that are not what it unpacked", async () => {
  await using bench = await Bench.create();
  await bench.run();
  const home = bench.home();
  for (const name of ["fly", "program.js"]) {
    const path = join(home, name);
    const bytes = Deno.readFileSync(path);
    const refuses = (why: string) => bench.refuses(/^fly: .* is damaged: remove it\n$/, why);
    Deno.truncateSync(path, bytes.byteLength - 1);
    await refuses(`${name} cut off`);
    Deno.writeFileSync(path, bytes);
    Deno.chmodSync(path, 0o722);
    await refuses(`${name} open to all`);
    Deno.chmodSync(path, 0o700);
    Deno.renameSync(path, `${path}.real`);
    await refuses(`${name} gone`);
    Deno.symlinkSync(`${path}.real`, path);
    await refuses(`${name} a symbolic link`);
    Deno.removeSync(path);
    Deno.renameSync(`${path}.real`, path);
    equal((await bench.run(["x"])).stdout, `${PROGRAM}<x>`);
  }
});

Deno.test("a launcher that cannot unpack says so and leaves nothing", async () => {
  await using bench = await Bench.create({ kind: "folder", path: "/proc/fluxify" });
  await bench.refuses(/\/proc\/fluxify must be a folder/, "a folder that cannot be made");
});

Deno.test("a launcher stopped while it unpacks cleans up", async () => {
  await using bench = await Bench.create();
  const starting = new Deno.Command(bench.file, { args: ["wait"], stdout: "null" }).spawn();
  for (let waits = 0; waits < WAITS_MAX && !existsSync(bench.cache); waits++) await delay(1);
  starting.kill("SIGTERM");
  await starting.status;
  for (const { name } of Deno.readDirSync(bench.cache)) match(name, /^fly-/);
  equal((await bench.run(["x"])).stdout, `${PROGRAM}<x>`);
});

Deno.test({
  name: "a launcher of an ordinary user unpacks into the user's own cache (root)",
  ignore: !AS_ROOT,
  async fn() {
    await using bench = await Bench.create({ kind: "system" });
    const home = join(bench.folder, "home");
    Deno.mkdirSync(home);
    Deno.chownSync(home, NOBODY, NOBODY);
    const user = { uid: NOBODY, gid: NOBODY, clearEnv: true };
    const started = await bench.run(["x"], { ...user, env: { HOME: home } });
    deepEqual([started.stderr, started.stdout], ["", `${PROGRAM}<x>`]);
    equal([...Deno.readDirSync(join(home, ".cache/fluxify"))].length, 1);
    match((await bench.run(["x"], { ...user, env: {} })).stderr, /^fly: HOME is not set/);
  },
});

Deno.test("buildLauncher() refuses a name that is no file name", () => {
  const empty = packFile(new Uint8Array(), 1);
  for (const name of ["", "a b", "../x", "-x", "$(x)"]) {
    const parts = { name, runtime: empty, program: empty, runtimeArguments: [] };
    throws(() => buildLauncher({ ...parts, cache: { kind: "system" } }), RangeError);
  }
});
