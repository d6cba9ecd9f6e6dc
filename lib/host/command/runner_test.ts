import assert from "node:assert/strict";
import * as v from "valibot";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import {
  CommandError,
  MissingProgramError,
  runChecked,
  runForList,
  runForText,
  SystemRunner,
} from "./runner.ts";

const system = new SystemRunner();

Deno.test("SystemRunner gives output, errors and code apart", async () => {
  const result = await system.run(["sh", "-c", "echo out; echo err >&2; exit 3"]);
  assert.deepEqual(result, { stdout: "out\n", stderr: "err\n", code: 3 });
});

Deno.test("SystemRunner uses no shell, the C locale and no terminal input", async () => {
  assert.equal((await system.run(["echo", "$HOME;", "*"])).stdout, "$HOME; *\n");
  assert.equal((await system.run(["printenv", "LC_ALL"])).stdout, "C\n");
  assert.equal((await system.run(["cat"])).stdout, "");
});

Deno.test("SystemRunner writes the input", async () => {
  assert.equal((await system.run(["cat"], { input: "a\nb" })).stdout, "a\nb");
  assert.equal((await system.run(["true"], { input: "x".repeat(1_000_000) })).code, 0);
});

Deno.test("SystemRunner stops a program that takes too long", async () => {
  await assert.rejects(
    system.run(["sh", "-c", "sleep 2 & sleep 60"], { timeoutMs: 50 }),
    (error) => error instanceof CommandError && error.code === null && /50 ms/.test(error.message),
  );
});

Deno.test("SystemRunner stops a program that prints too much", async () => {
  await assert.rejects(
    system.run(["cat", "/dev/zero"]),
    (error) => error instanceof CommandError && /bytes of output/.test(error.message),
  );
});

Deno.test("SystemRunner names the package of a missing program", async () => {
  await assert.rejects(system.run(["no-such-program"]), MissingProgramError);
  assert.match(new MissingProgramError("ip6tables").message, /apt-get install iptables/);
  await assert.rejects(system.run([]), RangeError);
});

Deno.test("runChecked() throws the first line of what the program said", async () => {
  const runner = new FakeRunner().on("ip", { code: 2, stderr: "\nRTNETLINK: no\nmore\n" });
  await assert.rejects(
    runChecked(runner, ["ip", "link"]),
    (error) =>
      error instanceof CommandError && error.code === 2 &&
      error.message === 'Command "ip link" failed (exit code 2): RTNETLINK: no',
  );
});

Deno.test("runForList() leaves out what does not fit and refuses what is no list", async () => {
  const schema = v.object({ n: v.number() });
  const answers = (stdout: string) =>
    runForList(new FakeRunner().on("ip", stdout), ["ip", "-j"], schema);
  assert.deepEqual(await answers('[{},{"n":1},{"n":"2"}]'), [{ n: 1 }]);
  assert.deepEqual(await answers("\n"), []);
  await assert.rejects(answers("1: lo: <LOOPBACK>"), /not a JSON list/);
  await assert.rejects(answers('{"n":1}'), /not a JSON list/);
});

Deno.test("runForList() and runForText() find nothing where the kernel has no such family", async () => {
  const stderr = "RTNETLINK answers: Address family not supported by protocol\nDump terminated\n";
  const argv = ["ip", "-6", "rule", "show"];
  const kernel = new FakeRunner().on("ip -6", { code: 1, stderr });
  assert.equal(await runForText(kernel, argv), "");
  assert.deepEqual(await runForList(kernel, argv, v.object({})), []);
  const other = new FakeRunner().on("ip -6", { code: 1, stderr: "Operation not permitted" });
  await assert.rejects(runForText(other, argv), CommandError);
  await assert.rejects(runForList(other, argv, v.object({})), CommandError);
});

Deno.test("FakeRunner prefers the last answer and refuses what is not scripted", async () => {
  const runner = new FakeRunner().on("ip", "one").on("ip route", (argv) => argv.length.toString());
  assert.equal((await runner.run(["ip", "link"])).stdout, "one");
  assert.equal((await runner.run(["ip", "route"])).stdout, "2");
  assert.deepEqual(runner.lines, ["ip link", "ip route"]);
  await assert.rejects(runner.run(["nft"]), /no answer/);
});
