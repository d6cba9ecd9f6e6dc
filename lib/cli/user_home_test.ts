import { deepEqual, equal, match } from "node:assert/strict";
import { expandHome, findInvokingUser, readInvokingUser, restoreHome } from "./user_home.ts";

const PASSWD = [
  "root:x:0:0:root:/root:/bin/bash",
  "mara:x:1000:1001:Mara,,,:/home/mara:/bin/zsh",
  "broken:x:1",
  "homeless:x:1002:1002:::/bin/false",
  "",
].join("\n");

Deno.test("findInvokingUser() finds who called sudo", () => {
  deepEqual(findInvokingUser({ uid: 0, sudoUser: "mara", home: "/root" }, PASSWD), {
    home: "/home/mara",
    owner: { uid: 1000, gid: 1001 },
  });
});

Deno.test("findInvokingUser() keeps $HOME otherwise", () => {
  const cases: [number | null, string | undefined][] = [
    [0, undefined],
    [0, ""],
    [0, "nobody-here"],
    [0, "broken"],
    [0, "homeless"],
    [1000, "root"],
    [null, "mara"],
  ];
  for (const [uid, sudoUser] of cases) {
    deepEqual(
      findInvokingUser({ uid, sudoUser, home: "/h" }, PASSWD),
      { home: "/h", owner: null },
      `${uid} ${sudoUser}`,
    );
  }
  equal(findInvokingUser({ uid: 0, sudoUser: undefined, home: "" }, "").home, "/root");
});

Deno.test("readInvokingUser() finds a home on this machine", () => {
  match(readInvokingUser().home, /^\//);
});

Deno.test("expandHome() replaces a leading tilde only", () => {
  equal(expandHome("~/.fluxify", "/home/mara"), "/home/mara/.fluxify");
  equal(expandHome("~/.fluxify", "/"), "/.fluxify");
  equal(expandHome("~", "/home/mara"), "/home/mara");
  equal(expandHome("~other/x", "/home/mara"), "~other/x");
  equal(expandHome("./pki", "/home/mara"), "./pki");
});

Deno.test("restoreHome() gives back the HOME that a launcher keeps, once", () => {
  const own = Deno.env.get("HOME");
  const after = (kept: string | null) => {
    Deno.env.set("HOME", "/of the launcher");
    if (kept !== null) Deno.env.set("FLUXIFY_HOME", kept);
    restoreHome();
    return [Deno.env.get("HOME"), Deno.env.get("FLUXIFY_HOME")];
  };
  try {
    deepEqual(after("/home/ann"), ["/home/ann", undefined]);
    deepEqual(after(""), [undefined, undefined]);
    deepEqual(after(null), ["/of the launcher", undefined]);
  } finally {
    if (own === undefined) Deno.env.delete("HOME");
    else Deno.env.set("HOME", own);
  }
});
