/** What a launcher does with /var/cache and other disks, in a mount namespace of its own. */
import { deepEqual, equal, match } from "node:assert/strict";
import { join } from "node:path";
import { Bench, launcher, PROGRAM, RUNTIME } from "./test_launcher.ts";

const AS_ROOT = Deno.uid() === 0;
const USER = "setpriv --reuid 65534 --regid 65534 --clear-groups env -i";
const LIMIT_MS = 60_000;

/** Runs `script` with an empty /var/cache of its own; $fly and $folder are there, and it may use $user. */
async function inOwnPlace(bench: Bench, script: string) {
  const args = ["--mount", "sh", "-ec", `mount -t tmpfs none /var/cache; ${script}`];
  const env = { fly: bench.file, folder: bench.folder, user: USER, FLUXIFY_CACHE: "" };
  const options = { args, env, signal: AbortSignal.timeout(LIMIT_MS) };
  const { stdout, stderr } = await new Deno.Command("unshare", options).output();
  return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
}

function placesTest(name: string, fn: (bench: Bench) => Promise<void>) {
  Deno.test({
    name: `${name} (root)`,
    ignore: !AS_ROOT,
    async fn() {
      await using bench = await Bench.create();
      const home = join(bench.folder, "home");
      Deno.mkdirSync(home);
      Deno.chownSync(home, 65534, 65534);
      await fn(bench);
    },
  });
}

placesTest("what root unpacked serves every user", async (bench) => {
  bench.write(launcher("walk"), join(bench.folder, "walk"));
  const [stdout, stderr] = await inOwnPlace(
    bench,
    `"$fly" r; $user HOME=$folder/home "$fly" u; $user HOME=$folder/home "$folder/walk" w
     $user "$fly" homeless; echo; ls /var/cache/fluxify | wc -l
     cd "$folder/home/.cache/fluxify"; find . -name program.js; ls | grep -c runtime || :`,
  );
  equal(stderr, "");
  const [starts, shared, own, runtimes] = stdout!.split("\n");
  equal(starts, ["r", "u", "w", "homeless"].map((word) => `${PROGRAM}<${word}>`).join(""));
  equal(shared, "2");
  match(own!, /^\.\/walk-[0-9a-f-]{65}\/program\.js$/);
  equal(runtimes, "0");
});

placesTest("without root's copy a user unpacks into the own home, or is told", async (bench) => {
  const [stdout, stderr] = await inOwnPlace(
    bench,
    `$user HOME=$folder/home "$fly" u; echo; ls -A /var/cache
     stat -c %a "$folder/home/.cache/fluxify"; $user "$fly" homeless || echo $?`,
  );
  equal(stdout, `${PROGRAM}<u>\n700\n1\n`);
  match(stderr!, /^fly: HOME is not set, .*: set FLUXIFY_CACHE to a folder of your own/);
});

placesTest(
  "a user does not run what another user could have put into /var/cache",
  async (bench) => {
    const [stdout] = await inOwnPlace(
      bench,
      `"$fly" r; for file in /var/cache/fluxify/runtime.*/fly; do
       sed -i 's/cat/tac/' "$file"; chmod 777 "$file"; done
     $user HOME=$folder/home "$fly" u; echo
     chmod 777 /var/cache/fluxify; $user HOME=$folder/home "$fly" u; echo
     ls -d "$folder"/home/.cache/fluxify/runtime.* | wc -l`,
    );
    equal(stdout, `${PROGRAM}<r>${PROGRAM}<u>\n${PROGRAM}<u>\n1\n`);
  },
);

placesTest(
  "a full disk, a read-only one and one without programs are told apart",
  async (bench) => {
    bench.write(launcher("fly", PROGRAM, RUNTIME + "#".repeat(600_000)));
    const [stdout, stderr] = await inOwnPlace(
      bench,
      `try() { "$fly" x || echo "$1 $?"; }
     mount -t tmpfs -o size=256k none /var/cache; try full; find /var/cache -name '.new*'
     mount -t tmpfs -o ro none /var/cache; try read-only
     mount -t tmpfs -o noexec none /var/cache; try noexec
     mount -t tmpfs none /var/cache; "$fly" whole; mount -o remount,ro /var/cache; "$fly" still`,
    );
    equal(stdout, `full 1\nread-only 1\nnoexec 1\n${PROGRAM}<whole>${PROGRAM}<still>`);
    const lines = stderr!.trimEnd().split("\n");
    equal(lines.length, 3, stderr);
    deepEqual(
      lines.map((line) =>
        line.endsWith("set FLUXIFY_CACHE to a folder of your own, on a disk with 1 MB free")
      ),
      [true, true, true],
    );
    match(lines[0]!, /^fly: there is no room in \/var\/cache\/fluxify: free 1 MB there, or /);
    match(
      lines[1]!,
      /^fly: cannot make the folder \/var\/cache\/fluxify \(Read-only file system\): /,
    );
    match(lines[2]!, /^fly: no program may be run from \/var\/cache\/fluxify /);
  },
);
