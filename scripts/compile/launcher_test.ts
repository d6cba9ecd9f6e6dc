import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { buildLauncher, packFile } from "./launcher.ts";
import { Bench, ENCODER, launcher, PROGRAM, RUNTIME } from "./test_launcher.ts";

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

  const env = { FLUXIFY_CACHE: bench.cache };
  const reader = new Deno.Command(bench.file, {
    args: ["read"],
    env,
    stdin: "piped",
    stdout: "piped",
  });
  const reading = reader.spawn();
  const writer = reading.stdin.getWriter();
  await writer.write(ENCODER.encode("typed"));
  await writer.close();
  equal(new TextDecoder().decode((await reading.output()).stdout), `${PROGRAM}typed`);

  const waiting = new Deno.Command(bench.file, { args: ["wait"], env, stdout: "piped" }).spawn();
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
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", command, bench.file],
    env: { FLUXIFY_CACHE: bench.cache, HOME: "/home/of the caller" },
  }).output();
  const [mask, path, denoFolder, folder, built, kept, home] = new TextDecoder().decode(stdout)
    .split("\n");
  deepEqual(
    [mask, path, folder, built],
    [`${PROGRAM}0027`, "/odd:/usr/bin:/bin", "/", "in a test"],
  );
  equal(denoFolder, join(bench.home(), "state"));
  deepEqual([kept, home], ["/home/of the caller", bench.home()]);
});

Deno.test("a launcher unpacks once, where nobody else can write", async () => {
  await using bench = await Bench.create();
  await bench.run();
  const files = () => [join(bench.runtime(), "fly"), join(bench.home(), "program.js")];
  const first = files().map((path) => Deno.statSync(path).ino);
  await bench.run();
  deepEqual(files().map((path) => Deno.statSync(path).ino), first);
  for (const path of [bench.cache, bench.home(), bench.runtime(), ...files()]) {
    equal(Deno.statSync(path).mode! & 0o022, 0, path);
  }
});

Deno.test("programs around the same runtime share one copy of it", async () => {
  await using bench = await Bench.create();
  const other = join(bench.folder, "walk");
  bench.write(launcher("walk", "walking:"), other);
  await bench.run(["x"]);
  const inode = Deno.statSync(join(bench.runtime(), "fly")).ino;
  equal((await bench.run(["x"], {}, other)).stdout, "walking:<x>");
  equal((await bench.run(["x"])).stdout, `${PROGRAM}<x>`);
  for (const name of ["fly", "walk"]) {
    equal(Deno.statSync(join(bench.runtime(), name)).ino, inode);
  }
  equal(bench.names().length, 3);
});

Deno.test("a launcher can be started several times at once", async () => {
  await using bench = await Bench.create();
  const starts = await Promise.all(Array.from({ length: 12 }, (_, n) => bench.run([`${n}`])));
  starts.forEach(({ stdout, stderr }, n) => deepEqual([stdout, stderr], [`${PROGRAM}<${n}>`, ""]));
  equal(bench.names().length, 2, bench.names().join(" "));
  equal(Deno.statSync(join(bench.runtime(), "fly")).nlink, 2);
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
  const damaged = /^fly: .*fly is damaged: install it again/;
  for (const length of [headerBytes + 1, bytes.byteLength - 1]) {
    bench.write(bytes.subarray(0, length));
    await bench.refuses(damaged, `cut to ${length} bytes`);
  }
  bench.write(new Uint8Array([...bytes, 10]));
  await bench.refuses(damaged, "one byte more");
  Deno.removeSync(bench.cache, { recursive: true });
  for (const at of [headerBytes + 20, bytes.byteLength - 12]) {
    const changed = bytes.slice();
    changed[at]! ^= 1;
    bench.write(changed);
    await bench.refuses(damaged, `byte ${at} changed`);
  }
  ok(bench.names().every((name) => !name.startsWith(".new")), bench.names().join(" "));
  ok(!existsSync(join(bench.home(), "program.js")));
  bench.write(bytes);
  equal((await bench.run(["x"])).stdout, `${PROGRAM}<x>`);
});

Deno.test("a launcher refuses a cache folder that others could write", async () => {
  await using bench = await Bench.create();
  const trap =
    /^fly: .* must be a folder of user \d+ or root that no one else can write: remove it, or set FLUXIFY_CACHE .*\n$/;
  const elsewhere = join(bench.folder, "elsewhere");
  Deno.mkdirSync(elsewhere, { mode: 0o700 });
  Deno.symlinkSync(elsewhere, bench.cache);
  await bench.refuses(trap, "a symbolic link");
  Deno.removeSync(bench.cache);

  Deno.writeTextFileSync(bench.cache, "");
  await bench.refuses(
    /^fly: cannot make the folder .* \(File exists\): set FLUXIFY_CACHE/,
    "a file",
  );
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
  name: "a launcher runs nothing that another user owns or owned (root)",
  ignore: !AS_ROOT,
  async fn() {
    await using bench = await Bench.create();
    await bench.run();
    for (const path of [bench.folder, bench.cache, bench.home(), bench.runtime()]) {
      Deno.chownSync(path, NOBODY, NOBODY);
      await bench.refuses(/must be a folder of user 0/, path);
      Deno.chownSync(path, 0, 0);
    }
    const runtime = join(bench.runtime(), "fly");
    Deno.writeTextFileSync(runtime, Deno.readTextFileSync(runtime).replace("cat", "tac"));
    Deno.chownSync(runtime, NOBODY, NOBODY);
    const { stdout, stderr } = await bench.run(["x"]);
    equal(stdout, `${PROGRAM}<x>`);
    match(stderr, /^fly: .* was damaged, and is unpacked again\n$/);
    equal(Deno.statSync(runtime).uid, 0);
  },
});

Deno.test("a launcher unpacks again what is not what it unpacked", async () => {
  await using bench = await Bench.create();
  await bench.run();
  for (const path of [join(bench.runtime(), "fly"), join(bench.home(), "program.js")]) {
    const heals = async (why: string) => {
      const { stdout, stderr } = await bench.run(["x"]);
      equal(stdout, `${PROGRAM}<x>`, why);
      match(stderr, /^fly: .* was damaged, and is unpacked again\n$/, why);
      deepEqual(await bench.run(["x"]), { code: 0, signal: null, stdout, stderr: "" }, why);
      ok(Deno.lstatSync(path).isFile, why);
    };
    Deno.truncateSync(path, Deno.statSync(path).size - 1);
    await heals(`${path} cut off`);
    Deno.chmodSync(path, 0o722);
    await heals(`${path} open to all`);
    const real = join(bench.folder, "real");
    Deno.renameSync(path, real);
    Deno.symlinkSync(real, path);
    await heals(`${path} a symbolic link`);
    Deno.removeSync(path);
    deepEqual((await bench.run(["x"])).stderr, "", `${path} gone`);
  }
});

Deno.test("a launcher that cannot unpack says so and what to do", async () => {
  await using bench = await Bench.create();
  const into = (FLUXIFY_CACHE: string) => ({ env: { FLUXIFY_CACHE } });
  const advice = "set FLUXIFY_CACHE to a folder of your own, on a disk with 1 MB free\n$";
  const cannot = (rest: string) => new RegExp(`^fly: cannot make the folder ${rest}: ${advice}`);
  await bench.refuses(
    cannot(String.raw`/proc/fluxify \(.*\)`),
    "no such place",
    into("/proc/fluxify"),
  );
  await bench.refuses(/must be the whole path of a folder/, "a relative path", into("cache"));
  const homeless = { clearEnv: true, env: {} };
  if (!AS_ROOT) await bench.refuses(/^fly: HOME is not set/, "no home", homeless);
});

Deno.test("a launcher stopped while it unpacks cleans up, and after one that was killed", async () => {
  await using bench = await Bench.create();
  const env = { FLUXIFY_CACHE: bench.cache };
  const starting = new Deno.Command(bench.file, { args: ["wait"], env, stdout: "null" }).spawn();
  for (let waits = 0; waits < WAITS_MAX && !existsSync(bench.cache); waits++) await delay(1);
  starting.kill("SIGTERM");
  await starting.status;
  for (const name of bench.names()) match(name, /^(fly-|runtime\.)/);
  const killed = new Deno.Command("true").spawn();
  await killed.status;
  const leftover = join(bench.cache, `.new.${killed.pid}.abcdefghij`);
  const current = join(bench.cache, `.new.${Deno.pid}.abcdefghij`);
  for (const path of [leftover, current]) Deno.writeTextFileSync(path, "half of it");
  equal((await bench.run(["x"])).stdout, `${PROGRAM}<x>`);
  deepEqual([existsSync(leftover), existsSync(current)], [false, true]);
});

Deno.test("a launcher killed anywhere in its first start does not harm the next one", async () => {
  await using bench = await Bench.create();
  // What does not pack, so that unpacking takes long enough to be killed in its midst.
  const noise = randomBytes(4_000_000).toString("base64");
  bench.write(launcher("fly", PROGRAM, `${RUNTIME}exit\n#${noise}\n`));
  const env = { FLUXIFY_CACHE: bench.cache };
  let interrupted = 0;
  for (let afterMs = 0; afterMs < 80; afterMs += 8) {
    rmSync(bench.cache, { recursive: true, force: true });
    const starting = new Deno.Command(bench.file, { args: ["x"], env, stdout: "null" }).spawn();
    await delay(afterMs);
    try {
      starting.kill("SIGKILL");
    } catch (error) {
      ok(error instanceof TypeError, "it has ended");
    }
    await starting.status;
    const before = existsSync(bench.cache) ? bench.names() : [];
    if (before.some((name) => name.startsWith(".new."))) interrupted++;
    deepEqual(await bench.run(["x"]), {
      ...{ code: 0, signal: null, stdout: `${PROGRAM}<x>`, stderr: "" },
    }, `killed after ${afterMs} ms`);
    deepEqual(bench.names().map((name) => name.slice(0, 4)), ["fly-", "runt"], `${afterMs} ms`);
  }
  ok(interrupted > 0, "none was killed while it unpacked");
});

Deno.test("buildLauncher() refuses a name that is no file name", () => {
  const empty = packFile(new Uint8Array(), 1);
  for (const name of ["", "a b", "../x", "-x", "$(x)"]) {
    const parts = {
      name,
      names: [name],
      runtime: empty,
      program: empty,
      runtimeArguments: [],
      build: "A=b",
    };
    throws(() => buildLauncher(parts), RangeError);
  }
});
