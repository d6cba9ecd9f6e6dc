import { equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { groupId, openOwnDirectory } from "./own_directory.ts";

Deno.test("groupId() takes a name of /etc/group, or a number", async () => {
  equal(await groupId("root"), 0);
  equal(await groupId("4711"), 4711);
  for (const name of ["no-such-group", "roo", ".*"]) {
    await rejects(groupId(name), /Cannot find group '.*' in \/etc\/group: make it with 'groupadd /);
  }
});

Deno.test("openOwnDirectory() refuses what others could put another directory in the place of", async () => {
  const base = await Deno.makeTempDir({ prefix: "fluxify-own-" });
  const at = (...names: string[]) => join(base, ...names);
  try {
    await openOwnDirectory(at("own", "state"), 0o700);
    equal((await Deno.stat(at("own", "state"))).mode! & 0o777, 0o700);
    await Deno.mkdir(at("open"));
    await Deno.chmod(at("open"), 0o777);
    await rejects(openOwnDirectory(at("open", "deep", "state"), 0o700), (error: Error) => {
      return error.message.startsWith(`others may write to ${at("open")}, which it is in`);
    });
    await Deno.chmod(at("open"), 0o1777);
    await openOwnDirectory(at("open", "deep", "state"), 0o700);

    await Deno.symlink("own/../own", at("link"));
    await openOwnDirectory(at("link", "state"), 0o700);
    await Deno.mkdir(at("loose"));
    await Deno.symlink(at("own"), at("loose", "hop"));
    await Deno.symlink("loose/hop", at("way"));
    await openOwnDirectory(at("way", "state"), 0o700);
    await Deno.chmod(at("loose"), 0o770);
    await rejects(openOwnDirectory(at("way", "state"), 0o700), /others may write to .*\/loose, /);
    await Deno.symlink("own/state", at("last"));
    await rejects(openOwnDirectory(at("last"), 0o700), /not a directory of the user/);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test({
  name: "openOwnDirectory() refuses what is in a directory, or behind a link, of somebody else",
  ignore: Deno.uid() !== 0,
  async fn() {
    const base = await Deno.makeTempDir({ prefix: "fluxify-own-" });
    const at = (...names: string[]) => join(base, ...names);
    try {
      await Deno.mkdir(at("theirs"));
      await Deno.mkdir(at("own"));
      await Deno.chown(at("theirs"), 12345, 12345);
      const belongs = /\/theirs, which it is in, belongs to somebody else$/;
      await rejects(openOwnDirectory(at("theirs", "state"), 0o700), belongs);
      await Deno.symlink("own", at("link"));
      await new Deno.Command("chown", { args: ["-h", "12345", at("link")] }).output();
      const made = /\/link is a link that somebody else has made$/;
      await rejects(openOwnDirectory(at("link", "state"), 0o700), made);
    } finally {
      await Deno.remove(base, { recursive: true });
    }
  },
});
