import assert from "node:assert/strict";
import { join } from "node:path";
import {
  exists,
  looseModeNotice,
  PUBLIC_FILE_MODE,
  readSmallFile,
  SECRET_FILE_MODE,
  withDirectoryLock,
  writeFilesAtomically,
} from "./secure_file.ts";
import { refuses } from "../../testing/pki/refusal.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";

const isRoot = Deno.uid() === 0;

Deno.test("writeFilesAtomically() writes text and mode, replaces, and leaves nothing else", async () => {
  await using directory = await TemporaryDirectory.create();
  const secret = join(directory.path, "key.pem");
  const open = join(directory.path, "cert.pem");
  for (const text of ["first", "second, longer", "3"]) {
    await writeFilesAtomically([
      { path: secret, text, mode: SECRET_FILE_MODE },
      { path: open, text, mode: PUBLIC_FILE_MODE },
    ]);
    assert.equal(await readSmallFile(secret), text);
    assert.equal((await Deno.stat(secret)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(open)).mode! & 0o077 & ~0o044, 0);
    assert.deepEqual(directory.names(), ["cert.pem", "key.pem"]);
  }
});

Deno.test("writeFilesAtomically() changes no file when one of them cannot be written", async () => {
  await using directory = await TemporaryDirectory.create();
  const first = join(directory.path, "a");
  const impossible = join(directory.path, "missing", "b");
  await Deno.writeTextFile(first, "old");
  await refuses(
    () =>
      writeFilesAtomically([
        { path: first, text: "new", mode: SECRET_FILE_MODE },
        { path: impossible, text: "new", mode: SECRET_FILE_MODE },
      ]),
    "write failed",
    impossible,
    /there is no such folder, and it cannot be made; check the path$/,
  );
  const folder = join(directory.path, "folder");
  await Deno.mkdir(folder);
  const write = (path: string) => () =>
    writeFilesAtomically([{ path, text: "new", mode: SECRET_FILE_MODE }]);
  const [isFolder, isFile] = [
    /: it is a directory; name a file in it$/,
    /must be a folder is a file/,
  ];
  await refuses(write(folder), "write failed", folder, isFolder);
  await refuses(write(join(first, "b")), "write failed", join(first, "b"), isFile);
  assert.equal(await readSmallFile(first), "old");
  assert.deepEqual(directory.names(), ["a", "folder"]);
});

Deno.test("writeFilesAtomically() changes no file when the step between its halves fails", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "a");
  await assert.rejects(
    writeFilesAtomically([{ path, text: "new", mode: SECRET_FILE_MODE }], () => {
      assert.equal(directory.names().length, 1, "the bytes are on disk by now");
      throw new Error("between");
    }),
    /between/,
  );
  assert.deepEqual(directory.names(), []);
});

Deno.test("readSmallFile() says what is wrong with a file it cannot read", async () => {
  await using directory = await TemporaryDirectory.create();
  const missing = join(directory.path, "missing.pem");
  await refuses(() => readSmallFile(missing), "not found", missing, /no such file/);
  const { path } = directory;
  await refuses(() => readSmallFile(path), "unreadable", path, /it is a directory/);
  const large = join(path, "large.pem");
  await Deno.writeFile(large, new Uint8Array(256 * 1024 + 1));
  await refuses(() => readSmallFile(large), "damaged", large, /larger than 262144 bytes/);
});

Deno.test({
  name: "readSmallFile() says so when this user may not read the file",
  ignore: isRoot,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const path = join(directory.path, "a.pem");
    await Deno.writeTextFile(path, "x", { mode: 0o000 });
    await refuses(() => readSmallFile(path), "unreadable", path, /may not read it.*chown/);
  },
});

Deno.test("looseModeNotice() speaks up exactly when others have access", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "key.pem");
  await Deno.writeTextFile(path, "x");
  for (const mode of [0o600, 0o400, 0o700]) {
    await Deno.chmod(path, mode);
    assert.equal(await looseModeNotice(path), null);
  }
  for (const mode of [0o640, 0o604, 0o620, 0o666]) {
    await Deno.chmod(path, mode);
    assert.match(await looseModeNotice(path) ?? "", /key\.pem.*mode 06\d\d\): run "chmod 600 /);
  }
});

Deno.test("withDirectoryLock() lets one action in at a time, and the next after a failure", async () => {
  await using directory = await TemporaryDirectory.create();
  let inside = 0;
  const action = async () => {
    assert.equal(++inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    inside--;
  };
  await assert.rejects(withDirectoryLock(directory.path, () => Promise.reject(new Error("x"))));
  await Promise.all([1, 2, 3].map(() => withDirectoryLock(directory.path, action)));
});

Deno.test("withDirectoryLock() names the lock that it cannot get", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, ".lock");
  const noWaitMs = 0;
  await withDirectoryLock(directory.path, async () => {
    const second = () => withDirectoryLock(directory.path, () => assert.fail(), noWaitMs);
    await refuses(second, "locked", path, /another process holds .*; end it \("fuser/);
  });
  const missing = join(directory.path, "missing");
  const nowhere = () => withDirectoryLock(missing, () => assert.fail());
  await refuses(nowhere, "write failed", missing, /there is no such folder/);
});

Deno.test("looseModeNotice() refuses a file that is gone", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "gone");
  await refuses(() => looseModeNotice(path), "not found", path, /no such file/);
});

Deno.test("exists() sees dangling links, and tells an unreadable place from an empty one", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = join(directory.path, "link");
  assert.equal(await exists(path), false);
  await Deno.symlink("nowhere", path);
  assert.equal(await exists(path), true);
  const file = join(directory.path, "file");
  await Deno.writeTextFile(file, "");
  const below = join(file, "ca.pem");
  await refuses(
    () => exists(below),
    "unreadable",
    below,
    /must be a folder is a file; check the path$/,
  );
});

/** Runs `script` with the file system `options` describes mounted on `mountPoint`, for it alone. */
async function runOnMount(mountPoint: string, options: string, script: string): Promise<string> {
  const command = `mount -t tmpfs -o ${options} none "$1" && exec deno eval --no-lock "$2"`;
  const output = await new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", command, "sh", mountPoint, script],
    cwd: import.meta.dirname!,
  }).output();
  assert.ok(output.success, new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout);
}

/** Makes a tree, then reports how `action` was refused and what the directory holds. */
function refusalScript(mountPoint: string, prepare: string, action: string): string {
  return `
    import { openServerPki } from "./server_pki.ts";
    const directory = ${JSON.stringify(mountPoint)}, now = new Date();
    const open = (regenerate) => openServerPki(directory, { hosts: [], regenerate, now });
    const list = (path) => [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
      isDirectory ? [name, ...list(path + "/" + name)] : [name]);
    const names = () => list(directory).sort();
    ${prepare}
    const before = names();
    try { ${action} } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message, before, after: names() }));
    }`;
}

for (
  const [what, action] of [
    ["a first tree", "await open(false)"],
    ["a regenerated tree", "await open(true)"],
    ["a client", "await pki.issueClient('bob', now)"],
  ] as const
) {
  Deno.test({
    name: `netns: a full disk is reported, and ${what} is not half-written`,
    ignore: !isRoot,
    fn: async () => {
      await using directory = await TemporaryDirectory.create();
      const { path } = directory;
      const prepare = (what === "a first tree" ? "" : "const pki = await open(false);") +
        `
        let full = false;
        for (let size = 65536; size >= 1; size = Math.floor(size / 2)) {
          try {
            Deno.writeFileSync(directory + "/filler", new Uint8Array(size), { append: true });
          } catch { full = true; }
        }
        if (!full) throw new Error("the disk is not full");
      `;
      const report = await runOnMount(path, "size=64k", refusalScript(path, prepare, action));
      const { code, message, before, after } = JSON.parse(report);
      assert.equal(code, "disk full", message);
      assert.match(message, /the disk is full; free some space/);
      assert.deepEqual(after.filter((name: string) => name !== ".lock"), [
        ...before.filter((name: string) => name !== ".lock"),
      ]);
    },
  });
}

Deno.test({
  name: "netns: a read-only directory is reported when a tree is made, and when a client is issued",
  ignore: !isRoot,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const { path } = directory;
    const readOnly = `
      const { success } = new Deno.Command("mount", { args: ["-o", "remount,ro", directory] }).outputSync();
      if (!success) throw new Error("remount");`;
    for (
      const [prepare, action] of [
        [readOnly, "await open(false)"],
        [
          `await open(false); ${readOnly} const pki = await open(false);`,
          "await pki.issueClient('bob', now)",
        ],
        [`await open(false); ${readOnly} const pki = await open(false);`, "await open(true)"],
      ] as const
    ) {
      const report = await runOnMount(path, "size=1m", refusalScript(path, prepare, action));
      const { code, message, before, after } = JSON.parse(report);
      assert.equal(code, "not writable", message);
      assert.match(message, /the directory is not writable for this user/);
      assert.deepEqual(after, before);
    }
  },
});
