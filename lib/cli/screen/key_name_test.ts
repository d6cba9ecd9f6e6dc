import { equal } from "node:assert/strict";
import { keyName } from "./key_name.ts";

Deno.test("keyName() knows Home and End from xterm, the Linux console, tmux and rxvt", () => {
  for (const sequence of ["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"]) {
    equal(keyName(sequence), "home");
  }
  for (const sequence of ["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"]) {
    equal(keyName(sequence), "end");
  }
  equal(keyName("q"), "q");
  equal(keyName("\x03"), "ctrl+c");
  equal(keyName("\x1b[99~"), undefined);
});
