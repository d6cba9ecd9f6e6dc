import { deepEqual, match } from "node:assert/strict";
import { parseClientOptions } from "./options.ts";
import { refusedText } from "../../testing/command_line.ts";

const parse = (...argv: string[]) => parseClientOptions(argv, "/root");

const refusal = (...argv: string[]) => refusedText(parse(...argv), argv);

Deno.test("restore undoes all, and where it is told so leaves the kill switch", () => {
  deepEqual(parse("restore"), {
    command: "restore",
    options: { killSwitch: "undo", logLevel: "info", logFormat: "text" },
  });
  deepEqual(parse("restore", "-v", "-log-json", "-keep-kill-switch"), {
    command: "restore",
    options: { killSwitch: "leave", logLevel: "debug", logFormat: "json" },
  });
  match(refusal("-b", "restore"), /-b means nothing before 'restore'/);
  match(refusal("restore", "-b"), /unknown option '-b'/);
});

Deno.test("up and run take the name of an instance, a file, and what is logged", () => {
  deepEqual(parse("up"), { command: "up", instance: null, file: null, flags: [] });
  deepEqual(parse("run", "-name", "home", "-settings", "/x.json", "-v", "-log-json"), {
    ...{ command: "run", instance: "home", file: "/x.json", flags: ["-v", "-log-json"] },
  });
  match(refusal("up", "-name", "a/b"), /-name must be the name of an interface|-name/);
  match(refusal("up", "-settings", " "), /-settings must be a path/);
  match(refusal("-ui", "run"), /-ui means nothing before 'run'/);
});
