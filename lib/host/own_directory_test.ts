import { equal, rejects } from "node:assert/strict";
import { groupId } from "./own_directory.ts";

Deno.test("groupId() takes a name of /etc/group, or a number", async () => {
  equal(await groupId("root"), 0);
  equal(await groupId("4711"), 4711);
  for (const name of ["no-such-group", "roo", ".*"]) {
    await rejects(groupId(name), /Cannot find group '.*' in \/etc\/group: make it with 'groupadd /);
  }
});
