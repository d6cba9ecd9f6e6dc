import { equal, match } from "node:assert/strict";
import {
  escapeControl,
  EXIT_FAILURE,
  EXIT_USAGE,
  exitCodeFor,
  failureText,
  PreflightError,
  UsageError,
} from "./exit.ts";

Deno.test("failureText() is one line with the causes", () => {
  const error = new Error("Cannot open the tunnel", {
    cause: new Error("Cannot ioctl: EPERM (1)"),
  });
  equal(
    failureText("fluxify-client", error, "one line"),
    "fluxify-client: Cannot open the tunnel: Cannot ioctl: EPERM (1)\n",
  );
});

Deno.test("failureText() does not repeat a cause the message quotes", () => {
  const error = new Error("Cannot start: no link", { cause: new Error("no link") });
  equal(failureText("x", error, "one line"), "x: Cannot start: no link\n");
});

Deno.test("failureText() tells of an error and of what failed while cleaning up after it", () => {
  const start = new Error("Cannot listen on TCP port 8443");
  const stop = new Error("Cannot remove the journal");
  for (const order of [[stop, start], [start, stop]] as const) {
    const text = failureText("x", new SuppressedError(order[0], order[1], "hidden"), "one line");
    equal(text, `x: ${order[1].message}; then: ${order[0].message}\n`);
  }
  const both = new SuppressedError(stop, new SuppressedError(stop, start));
  equal(failureText("x", both, "one line"), `x: ${start.message}; then: ${stop.message}\n`);
});

Deno.test("failureText() stops at a cause that refers to itself", () => {
  const error = new Error("round");
  error.cause = error;
  equal(failureText("x", error, "one line"), "x: round\n");
});

Deno.test("failureText() escapes what would move the cursor", () => {
  equal(
    failureText("x", new Error("said \x1b[2J\r\nx: all good\u2028"), "one line"),
    "x: said \\x1b[2J\\r\\nx: all good\\u2028\n",
  );
});

Deno.test("failureText() shows the stack only when asked", () => {
  match(failureText("x", new Error("boom"), "with stack"), /^x: boom\nError: boom\n +at /);
  equal(failureText("x", "a string was thrown", "with stack"), "x: a string was thrown\n");
  equal(failureText("x", undefined, "one line"), "x: unknown error\n");
});

Deno.test("exitCodeFor() tells a wrong command line from a failure", () => {
  equal(exitCodeFor(new UsageError("-port must be 1 to 65535")), EXIT_USAGE);
  equal(exitCodeFor(new PreflightError("run with sudo")), EXIT_FAILURE);
  equal(exitCodeFor("anything else"), EXIT_FAILURE);
});

Deno.test("escapeControl() leaves ordinary text of any language alone", () => {
  equal(escapeControl("Größe 10 µs, 雪"), "Größe 10 µs, 雪");
});
