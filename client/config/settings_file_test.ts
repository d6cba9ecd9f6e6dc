import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { describeClientProgram } from "./options.ts";
import { loadSettings, saveSettings } from "./settings_file.ts";
import { UserFolder } from "./user_folder.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
/** That of the tests, whatever home the program is given. */
const DENO_DIR = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
const program = describeClientProgram();

async function home(text?: string) {
  const directory = await TemporaryDirectory.create();
  const file = join(directory.path, ".fluxify", "config.json");
  if (text !== undefined) {
    await Deno.mkdir(join(directory.path, ".fluxify"));
    await Deno.writeTextFile(file, text);
  }
  const user = { home: directory.path, owner: null };
  return { file, user, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

Deno.test("settings are saved for their owner alone, and read again", async () => {
  await using place = await home();
  const settings = new Map<string, string | boolean>([["mode", "bonding"], ["server", "h"]]);
  equal((await loadSettings(place.user, program)).isFirst, true);
  await saveSettings(place.user, settings, program);
  equal((await Deno.stat(place.file)).mode! & 0o777, 0o600);
  equal((await Deno.stat(join(place.file, ".."))).mode! & 0o777, 0o700);
  const loaded = await loadSettings(place.user, program);
  deepEqual(loaded.settings, settings);
  equal(loaded.isFirst, false);
  const names = [...Deno.readDirSync(join(place.file, ".."))].map(({ name }) => name);
  deepEqual(names.sort(), ["config.json", "config.json.last"], "and nothing half-written");
});

Deno.test({
  name: "settings that root saves belong to the user who called sudo",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using place = await home();
    const owner = { uid: 12345, gid: 23456 };
    const user = { ...place.user, owner };
    await Deno.chown(place.user.home, owner.uid, owner.gid);
    await saveSettings(user, new Map([["mode", "bonding"]]), program);
    for (const path of [place.file, join(place.file, "..")]) {
      const { uid, gid } = await Deno.stat(path);
      deepEqual({ uid, gid }, owner);
    }
    // Where the folder leads into somebody else's, nothing is written as root.
    await Deno.remove(join(place.file, ".."), { recursive: true });
    await using other = await home("{}");
    await Deno.symlink(join(other.file, ".."), join(place.file, ".."));
    await rejects(saveSettings(user, new Map(), program), /leads to a folder of root/);
    equal(await Deno.readTextFile(other.file), "{}");
  },
});

Deno.test("a file that is no JSON is kept, and its text is not shown", async () => {
  await using place = await home("root:secret:0:0");
  const { settings, notices } = await loadSettings(place.user, program);
  equal(settings.size, 0);
  match(notices[0]!, /is no JSON: kept as .*config\.json\.bad/);
  ok(!notices[0]!.includes("secret"));
  equal(await Deno.readTextFile(`${place.file}.bad`), "root:secret:0:0");
});

Deno.test("in the place of a file that was cut short, the settings read last are used", async () => {
  const text = JSON.stringify({ version: 1, mode: "bonding", "kill-switch": true });
  await using place = await home(text);
  const { settings } = await loadSettings(place.user, program);
  for (let length = 0; length < text.length; length += 10) {
    await Deno.writeTextFile(place.file, text.slice(0, length));
    const again = await loadSettings(place.user, program);
    deepEqual(again.settings, settings);
    match(
      again.notices.join(),
      /is no JSON: kept as .*\.bad, and those read last are used and wri/,
    );
    equal(await Deno.readTextFile(place.file), text);
    equal(await Deno.readTextFile(`${place.file}.bad`), text.slice(0, length));
    deepEqual((await loadSettings(place.user, program)).notices, []);
  }
  // What is no JSON at all was never the last; nor is a file that a flag named.
  await Deno.writeTextFile(place.file, "{");
  await Deno.writeTextFile(`${place.file}.last`, "secret");
  const none = await loadSettings(place.user, program);
  equal(none.settings.size, 0);
  match(none.notices.join(), /built-in settings are used, for those read last cannot be$/);
  const elsewhere = join(place.user.home, "named.json");
  await Deno.writeTextFile(elsewhere, text);
  deepEqual((await loadSettings(place.user, program, elsewhere)).settings, settings);
  deepEqual([...Deno.readDirSync(place.user.home)].map(({ name }) => name).sort(), [
    ".fluxify",
    "named.json",
  ]);
});

Deno.test("the settings of the original are carried over once", async () => {
  const original = JSON.stringify({
    server: "vpn.example.com",
    mode: "bonding",
    ifaces: ["eth0", "wlan0"],
    client: "/home/mara/mara.pem",
    pki: "",
    ctrl: 9443,
  });
  await using place = await home(original);
  const first = await loadSettings(place.user, program);
  deepEqual(
    first.settings,
    new Map([
      ["server", "vpn.example.com"],
      ["mode", "bonding"],
      ["ifaces", "eth0,wlan0"],
      ["ctrl", "9443"],
      ["cert", "/home/mara/mara.pem"],
    ]),
  );
  equal(first.notices.length, 1);
  equal(await Deno.readTextFile(`${place.file}.original`), original);
  const second = await loadSettings(place.user, program);
  deepEqual(new Map([...second.settings].sort()), new Map([...first.settings].sort()));
  deepEqual(second.notices, []);
});

Deno.test("what cannot be a settings file is refused", async () => {
  await using place = await home(" ".repeat(70_000));
  await rejects(loadSettings(place.user, program), /Cannot read .*larger than 65536 bytes/);
  await Deno.remove(place.file);
  await Deno.mkdir(place.file);
  await rejects(loadSettings(place.user, program), /it is no file; correct it, or move it away$/);
});

Deno.test("a home that is a file or is not there is said in our words", async () => {
  await using place = await home("{}");
  const isFile = /must be a folder is a file; check the path$/;
  const inFile = { ...place.user, home: place.file };
  await rejects(loadSettings(inFile, program), isFile);
  throws(() => UserFolder.make(join(place.file, ".fluxify"), inFile), isFile);
  const missing = join(place.user.home, "missing", ".fluxify");
  throws(() => UserFolder.make(missing, place.user), {
    message:
      `Cannot write ${missing}: there is no such folder, and it cannot be made; check the path`,
  });
});

Deno.test("the program says what is wrong with its settings, and 'config' what holds", async () => {
  await using place = await home(JSON.stringify({ version: 1, mtu: 12 }));
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", MAIN, ...args],
      env: { HOME: place.user.home, SUDO_USER: "", DENO_DIR },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  const refused = await run("-b", "-server", "h");
  equal(refused.code, 2);
  match(refused.stderr, /^fluxify-client: Cannot use .*config\.json: "mtu" is not right: .*\n$/);
  equal((await run("help")).code, 0);
  await Deno.writeTextFile(place.file, JSON.stringify({ version: 1, mtu: 1300 }));
  const shown = await run("-ctrl=9443", "config");
  match(shown.stdout, /\nctrl +9443 +flag\n[^]*\nmtu +1300 +file\n/);
  const asJson = JSON.parse((await run("config", "--json")).stdout);
  equal(asJson.file, place.file);
});
