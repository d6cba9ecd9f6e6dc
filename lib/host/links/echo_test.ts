import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { CommandError, MissingProgramError } from "../command/runner.ts";
import { echoCommand, parseRoundTripMs, sendEcho, sendEchoes } from "./echo.ts";

const answer = (ms: string) =>
  `--- 192.0.2.1 ping statistics ---\nrtt min/avg/max/mdev = ${ms}/${ms}/${ms}/0.000 ms\n`;

Deno.test("echoCommand() binds to the interface and scopes link-local gateways", () => {
  const echo = { device: "wan1", target: "192.0.2.1", timeoutMs: 1500 };
  assert.equal(
    echoCommand(echo).join(" "),
    "ping -4 -n -q -c 1 -W 1.50 -I wan1 192.0.2.1",
  );
  assert.equal(echoCommand({ ...echo, target: "fe80::1" }).at(-1), "fe80::1%wan1");
  assert.equal(echoCommand({ ...echo, target: "2001:db8::1" }).at(-1), "2001:db8::1");
  assert.throws(() => echoCommand({ ...echo, target: "-f" }), RangeError);
  assert.throws(() => echoCommand({ ...echo, device: "-x" }), { name: "InterfaceError" });
});

Deno.test("parseRoundTripMs() reads both kinds of ping", () => {
  assert.equal(parseRoundTripMs(answer("12.345")), 12.345);
  assert.equal(parseRoundTripMs("round-trip min/avg/max = 1.5/2.5/3.5 ms"), 2.5);
  assert.equal(parseRoundTripMs("1 packets transmitted, 0 received"), null);
});

Deno.test("sendEcho() takes a failed or stopped ping for silence, a missing one not", async () => {
  const echo = { device: "wan1", target: "192.0.2.1", timeoutMs: 100 };
  assert.equal(await sendEcho(new FakeRunner().on("ping", answer("3")), echo), 3);
  assert.equal(await sendEcho(new FakeRunner().on("ping", { code: 1 }), echo), null);
  const stopped = new CommandError(["ping"], null, "", "no answer");
  assert.equal(await sendEcho(new FakeRunner().on("ping", stopped), echo), null);
  const missing = new FakeRunner().on("ping", new MissingProgramError("ping"));
  await assert.rejects(sendEcho(missing, echo), /apt-get install iputils-ping/);
});

Deno.test("sendEchoes() asks the gateway alone as long as it answers", async () => {
  const runner = new FakeRunner().on("ping", answer("3"));
  assert.equal(await sendEchoes(runner, "wan1", "192.0.2.1", ["1.1.1.1"], 1500), 3);
  assert.deepEqual(runner.lines, ["ping -4 -n -q -c 1 -W 0.50 -I wan1 192.0.2.1"]);
});

Deno.test("sendEchoes() asks all others then, within the same time, and takes the nearest", async () => {
  const runner = new FakeRunner().on("ping", { code: 1 });
  const ask = () => sendEchoes(runner, "wan1", "192.0.2.1", ["1.1.1.1", "9.9.9.9"], 1500);
  assert.equal(await ask(), null);
  assert.deepEqual(runner.lines.slice(1), [
    "ping -4 -n -q -c 1 -W 1.00 -I wan1 1.1.1.1",
    "ping -4 -n -q -c 1 -W 1.00 -I wan1 9.9.9.9",
  ]);
  runner.on("ping -4 -n -q -c 1 -W 1.00 -I wan1 1.1.1.1", answer("20"))
    .on("ping -4 -n -q -c 1 -W 1.00 -I wan1 9.9.9.9", answer("10"));
  assert.equal(await ask(), 10);
});
