import { deepEqual, match, ok, throws } from "node:assert/strict";
import { parseClientOptions } from "./options.ts";
import { checkDestinations, parseDestinations } from "./destinations.ts";

Deno.test("destinations are prefixes, addresses and names, each once", () => {
  deepEqual(
    parseDestinations("-bypass", "192.0.2.7/24, Example.com,2001:DB8::1,192.0.2.0/24,example.com."),
    { prefixes: ["192.0.2.0/24", "2001:db8::1/128"], names: ["example.com"] },
  );
});

for (
  const [text, message] of [
    ["", /-only must name a destination/],
    ["a,,b", /empty item/],
    ["192.0.2.0/33", /-only must hold prefixes, addresses and names, not '192\.0\.2\.0\/33'/],
    ["fe80::1%eth0", /must hold prefixes, addresses and names/],
    ["1.2.3", /must be an IP address or a host name/],
    ["0.0.0.0/0", /no prefix as wide as '0\.0\.0\.0\/0'/],
    ["128.0.0.0/1", /no prefix as wide as/],
    ["2000::/3", /no prefix as wide as/],
    ["*.example.com", /host name/],
    [Array.from({ length: 65 }, (_, at) => `h${at}.example`).join(), /at most 64 items/],
  ] as const
) {
  Deno.test(`'${text.slice(0, 20)}' is refused as a list of destinations`, () => {
    throws(() => parseDestinations("-only", text), message);
  });
}

Deno.test("-only goes with neither the kill switch nor policy routing", () => {
  const only = parseDestinations("-only", "example.com");
  const options = { only, killSwitch: false, policyRouting: false };
  checkDestinations(options);
  checkDestinations({ only: null, killSwitch: true, policyRouting: true });
  throws(() => checkDestinations({ ...options, killSwitch: true }), /-kill-switch would drop it/);
  throws(() => checkDestinations({ ...options, policyRouting: true }), /cannot be used together/);
});

Deno.test("cgroups and marks are read as people write them, and refused in words", () => {
  const parse = (...argv: string[]) =>
    parseClientOptions(["-b", "-server", "vpn.example.com", ...argv], "/root");
  const parsed = parse(
    "-bypass-cgroup",
    "/a.slice,a.slice,b/c.service",
    "-bypass-mark",
    "0x10/0xf0",
  );
  ok(parsed.command === "bond");
  deepEqual(parsed.options.bypassCgroups, ["a.slice", "b/c.service"]);
  deepEqual(parsed.options.bypassMark, { value: 0x10, mask: 0xf0 });
  for (
    const [flag, text, message] of [
      ["-bypass-cgroup", "/", /-bypass-cgroup: '\/' is every program/],
      ["-bypass-cgroup", "a/../b", /no path of a cgroup/],
      ["-bypass-cgroup", "", /must name a cgroup/],
      [
        "-bypass-cgroup",
        Array.from({ length: 17 }, (_, at) => `c${at}`).join(),
        /at most 16 cgroups/,
      ],
      ["-bypass-mark", "0", /-bypass-mark: '0' is no mark/],
      ["-bypass-mark", "0x11/0x10", /bits outside its mask/],
    ] as const
  ) {
    const refused = parse(flag, text);
    ok(refused.command === "print");
    match(refused.text, message);
  }
});
