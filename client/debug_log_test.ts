import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY, setUpLogging } from "../lib/cli/log.ts";
import { TemporaryDirectory } from "../testing/pki/temporary_directory.ts";
import { openDebugLog } from "./debug_log.ts";

Deno.test("what -v logs is also in a file of its user, up to a limit, and never behind a link", async () => {
  await using directory = await TemporaryDirectory.create();
  const user = { home: directory.path, owner: null };
  const victim = join(directory.path, "victim");
  await Deno.writeTextFile(victim, "whole");
  await Deno.mkdir(join(directory.path, ".fluxify"));
  await Deno.symlink(victim, join(directory.path, ".fluxify", "client_debug.log"));
  setUpLogging({ level: "debug", format: "json", write() {} });
  const log = getLogger([LOG_CATEGORY, "test"]);
  {
    using debugLog = openDebugLog(user, 200);
    equal(debugLog.path, join(directory.path, ".fluxify", "client_debug.log"));
    log.debug("first line");
    for (let index = 0; index < 50; index++) log.debug("further line");
  }
  log.debug("after the end");
  setUpLogging({ level: "info", format: "text", write() {} });
  const path = join(directory.path, ".fluxify", "client_debug.log");
  const text = await Deno.readTextFile(path);
  match(text, /^\S+ debug +first line\n/);
  ok(text.length <= 200 && text.endsWith("\n"), text);
  ok(!text.includes("after the end"));
  equal((await Deno.lstat(path)).mode! & 0o777, 0o600);
  equal(await Deno.readTextFile(victim), "whole");
});

Deno.test({
  name: "the file that root makes belongs to the user who called sudo",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const owner = { uid: 12345, gid: 23456 };
    await Deno.chown(directory.path, owner.uid, owner.gid);
    using debugLog = openDebugLog({ home: directory.path, owner });
    const { uid, gid, mode } = await Deno.stat(debugLog.path);
    deepEqual([{ uid, gid }, mode! & 0o777], [owner, 0o600]);
  },
});
