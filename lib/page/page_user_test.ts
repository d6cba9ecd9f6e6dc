import { deepEqual } from "node:assert/strict";
import { pageUserOf } from "./page_user.ts";

const NOBODYS = { userId: 1_900_080_078, groupId: 1_900_080_078 };

Deno.test("the page belongs to the user of the package and its group, which may have another number", () => {
  const passwd = "root:x:0:0:root:/root:/bin/sh\n" +
    "fluxify-page:x:107:114:page:/nonexistent:/usr/sbin/nologin\nlast:x:1:1::/:/bin/sh\n";
  deepEqual(pageUserOf(passwd), { userId: 107, groupId: 114 });
});

Deno.test("without such a user, or where it is root's, the page belongs to nobody", () => {
  for (
    const passwd of [
      "",
      "fluxify-page2:x:107:114::/:/bin/sh\n",
      "my-fluxify-page:x:107:114::/:/bin/sh\n",
      "fluxify-page:x:0:114::/:/bin/sh\n",
      "fluxify-page:x:107:0::/:/bin/sh\n",
      "fluxify-page:x:99999999999:114::/:/bin/sh\n",
      "fluxify-page:x::114::/:/bin/sh\n",
    ]
  ) deepEqual(pageUserOf(passwd), NOBODYS, passwd);
});
