import { equal, match, rejects } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { CommandError, MissingProgramError } from "../../lib/host/command/runner.ts";
import { addressIn, askExternalAddress, pageOf, sameUpstreamWarning } from "./external_address.ts";

const URL_ASKED = "https://example.com/ip";
const ask = (runner: FakeRunner) => askExternalAddress(runner, "wan1", 4, URL_ASKED);

Deno.test("askExternalAddress() asks over the one interface, within bounds", async () => {
  const runner = new FakeRunner().on("curl", "203.0.113.9\n");
  equal(await ask(runner), "203.0.113.9");
  equal(
    runner.lines[0],
    "curl -4 -q --globoff --silent --fail --noproxy * --max-time 5 --max-filesize 4096 " +
      `--interface if!wan1 -- ${URL_ASKED}`,
  );
});

Deno.test("pageOf() leaves out what a log must not tell", () => {
  equal(
    pageOf("https://me:secret@example.com:444/ip?token=secret#x"),
    "https://example.com:444/ip",
  );
});

Deno.test("askExternalAddress() has no answer where there is none", async () => {
  equal(await ask(new FakeRunner().on("curl", { code: 28 })), null);
  equal(await ask(new FakeRunner().on("curl", "<html>sorry</html>")), null);
  equal(await ask(new FakeRunner().on("curl", new CommandError([], null, ""))), null);
  await rejects(ask(new FakeRunner().on("curl", new MissingProgramError("curl"))), /install curl/);
});

Deno.test("addressIn() finds an address of the family asked for", () => {
  equal(addressIn('{"ip":"203.0.113.9","port":80}', 4), "203.0.113.9");
  equal(addressIn("Your address: 2001:db8::9", 6), "2001:db8::9");
  equal(addressIn("2001:db8::9", 4), null);
  equal(addressIn("1.2.3 999.1.1.1", 4), null);
});

Deno.test("sameUpstreamWarning() names those with one address, once", () => {
  const warning = sameUpstreamWarning(
    new Map([["a", "203.0.113.9"], ["b", "203.0.113.7"], ["c", "203.0.113.9"]]),
  );
  match(warning ?? "", /^a and c have the same external address 203\.0\.113\.9: /);
  equal(sameUpstreamWarning(new Map([["a", "203.0.113.9"], ["b", "203.0.113.7"]])), null);
  match(sameUpstreamWarning(new Map([["a", "2001:db8::1"], ["b", "2001:DB8:0::1"]])) ?? "", /^a/);
});
