import { deepEqual, equal, match } from "node:assert/strict";
import { type BuildInfo, parseBuildInfo, readCommit, writeBuildInfo } from "./build_info.ts";

Deno.test("a build is read as it was written, and anything else is the source", () => {
  const source = () => "0123456789";
  const builds: BuildInfo[] = [
    { form: "packed", commit: "4228511c0a" },
    { form: "compiled", commit: "4228511c0a-dirty" },
    { form: "packed", commit: null },
  ];
  for (const info of builds) deepEqual(parseBuildInfo(writeBuildInfo(info), source), info);
  for (const text of [undefined, "", "packed", "packed \x1b[2J", "source 4228511c0a"]) {
    deepEqual(parseBuildInfo(text, source), { form: "source", commit: "0123456789" }, text);
  }
});

Deno.test("readCommit() knows no commit outside of a tree", async () => {
  const folder = await Deno.makeTempDir();
  try {
    equal(readCommit(folder), null);
    const git = (...args: string[]) => new Deno.Command("git", { args, cwd: folder }).outputSync();
    git("init");
    git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "--allow-empty", "-m", "x");
    match(readCommit(folder)!, /^[0-9a-f]{10}$/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
