import { deepEqual, equal, throws } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../../scripts/lab/temporary_directory.ts";
import { cgroupMount, plainCgroupPath, readCgroup } from "./cgroup.ts";

const line = (path: string, kind: string) => `30 23 0:26 / ${path} rw,nosuid - ${kind} none rw`;

Deno.test("cgroups are found where nft looks for them, alone or beside those of version 1", () => {
  const unified = [line("/", "ext4"), line("/sys/fs/cgroup", "cgroup2")].join("\n");
  deepEqual(cgroupMount(unified), { root: "/sys/fs/cgroup", prefix: "" });
  const hybrid = [
    line("/sys/fs/cgroup", "tmpfs"),
    line("/sys/fs/cgroup/cpu", "cgroup"),
    line("/sys/fs/cgroup/unified", "cgroup2"),
  ].join("\n");
  deepEqual(cgroupMount(hybrid), { root: "/sys/fs/cgroup/unified", prefix: "unified" });
});

Deno.test("without them it is said what to do", () => {
  for (const text of ["", line("/sys/fs/cgroup", "cgroup"), line("/mnt/cg", "cgroup2")]) {
    throws(() => cgroupMount(text), /no cgroups of version 2 .* -bypass-mark/);
  }
});

Deno.test("a cgroup is there or not, and another one of the same path is another", async () => {
  using directory = await TemporaryDirectory.create("cgroup");
  const mount = { root: directory.path, prefix: "unified" };
  equal(readCgroup(mount, "a.slice/b"), null);
  await Deno.mkdir(join(directory.path, "a.slice/b"), { recursive: true });
  const found = readCgroup(mount, "a.slice/b")!;
  deepEqual([found.nftPath, found.level], ["unified/a.slice/b", 2]);
  equal(readCgroup({ ...mount, prefix: "" }, "a.slice")!.nftPath, "a.slice");
  await Deno.writeTextFile(join(directory.path, "file"), "");
  equal(readCgroup(mount, "file"), null);
});

Deno.test("a path is taken as people write it, and nothing that would be more than a path", () => {
  equal(plainCgroupPath("/sys/fs/cgroup/system.slice/a@1.service/"), "system.slice/a@1.service");
  equal(plainCgroupPath("/user.slice"), "user.slice");
  for (const text of ["/", "", "/sys/fs/cgroup"]) {
    throws(() => plainCgroupPath(text), /every program/);
  }
  const parts = (length: number, count: number) => Array(count).fill("a".repeat(length)).join("/");
  equal(plainCgroupPath(parts(255, 4)), parts(255, 4));
  for (const text of [parts(256, 1), parts(200, 6), "a".repeat(100_000)]) {
    throws(() => plainCgroupPath(text), /^RangeError: 'a.{0,70}\.\.\.' is longer than a path/);
  }
  for (
    const text of [
      "a/../b",
      "a//b",
      "ä.slice",
      "a\u0000b",
      "$(reboot)",
      "a;b",
      `${"b ".repeat(999)}`,
      'a"; drop',
      "a b",
      "a\nb",
      "./a",
      "*",
    ]
  ) {
    throws(() => plainCgroupPath(text), /no path of a cgroup/, text);
  }
});
