import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { readUserFile, UserFolder, writeUserFile } from "./user_folder.ts";

const OWNER = { uid: 12345, gid: 23456 };
const BYTES_MAX = 1000;
const asRoot = { ignore: Deno.uid() !== 0 };

/** The home of a user, and a folder of root's beside it. */
async function place() {
  const directory = await TemporaryDirectory.create();
  await Deno.chmod(directory.path, 0o755);
  const home = join(directory.path, "home");
  const root = join(directory.path, "root");
  for (const path of [home, root]) await Deno.mkdir(path);
  await Deno.chown(home, OWNER.uid, OWNER.gid);
  const user = { home, owner: OWNER };
  return { home, root, user, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

Deno.test({
  name: "what is written goes into the folder that was looked at, wherever that is by then",
  ...asRoot,
  async fn() {
    await using at = await place();
    const path = join(at.home, ".fluxify");
    using folder = UserFolder.make(path, at.user);
    // What the user does between two steps of root's.
    await Deno.rename(path, join(at.home, "moved"));
    await Deno.symlink(at.root, path);
    await folder.write("config.json", "{}");
    deepEqual([...Deno.readDirSync(at.root)], []);
    const written = join(at.home, "moved", "config.json");
    const { uid, gid, mode } = await Deno.stat(written);
    deepEqual([uid, gid, mode! & 0o777], [OWNER.uid, OWNER.gid, 0o600]);
    Deno.renameSync(folder.at("config.json"), folder.at("config.json.bad"));
    equal(await Deno.readTextFile(`${written}.bad`), "{}");
    throws(() => UserFolder.open(path, at.user), /leads to a folder of root$/);
    await rejects(writeUserFile(join(path, "x"), "", at.user), /leads to a folder of root$/);
    await Deno.chown(at.root, 4711, 4711);
    throws(() => UserFolder.make(path, at.user), /belongs to somebody else$/);
  },
});

Deno.test({
  name: "a link on the way, not only at its end, leads root into no folder of root's",
  ...asRoot,
  async fn() {
    await using at = await place();
    await Deno.mkdir(join(at.root, "conf"));
    await Deno.symlink(at.root, join(at.home, "link"));
    throws(() => UserFolder.make(join(at.home, "link", "conf"), at.user), /leads to a folder of r/);
    // The home itself may be behind a link that is root's.
    const moved = `${at.home}-link`;
    await Deno.symlink(at.home, moved);
    await Deno.mkdir(join(at.home, ".root"));
    UserFolder.open(join(moved, ".root"), { ...at.user, home: moved })[Symbol.dispose]();
  },
});

Deno.test({
  name: "a file in a folder of root's is root's, unless anybody may write there",
  ...asRoot,
  async fn() {
    await using at = await place();
    const owners = async (folder: string) => {
      using own = UserFolder.open(folder, at.user);
      await own.write("report.txt", "");
      return (await Deno.stat(join(folder, "report.txt"))).uid;
    };
    equal(await owners(at.root), 0);
    await Deno.chmod(at.root, 0o1777);
    equal(await owners(at.root), OWNER.uid);
    equal(await owners(at.home), OWNER.uid);
    throws(() => UserFolder.open(join(at.home, "none"), at.user), /there is no such folder/);
  },
});

Deno.test({
  name: "a file is read where it says it is, or where the user's link leads to one of the user's",
  ...asRoot,
  async fn() {
    await using at = await place();
    const path = join(at.home, "config.json");
    const read = () => readUserFile(path, at.user, BYTES_MAX);
    equal(read(), null);
    await Deno.writeTextFile(path, "of root, as an earlier version wrote it");
    match(read()!, /^of root/);
    await Deno.remove(path);
    const secret = join(at.root, "secret");
    await Deno.writeTextFile(secret, "secret");
    await Deno.symlink(secret, path);
    throws(read, { message: "it leads to a file of somebody else" });
    await Deno.chown(secret, OWNER.uid, OWNER.gid);
    equal(read(), "secret");
    await Deno.remove(path);
    await new Deno.Command("mkfifo", { args: [path] }).output();
    throws(read, { message: "it is no file" });
    await Deno.remove(path);
    await Deno.writeTextFile(path, "x".repeat(BYTES_MAX + 1));
    throws(read, { message: "it is larger than 1000 bytes" });
  },
});
