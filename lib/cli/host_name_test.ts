import { equal, throws } from "node:assert/strict";
import { UsageError } from "./exit.ts";
import { parseAddress, parseHost, parseInterfaceName } from "./host_name.ts";

Deno.test("parseHost() accepts addresses and names", () => {
  const cases: [string, string][] = [
    ["203.0.113.7", "203.0.113.7"],
    ["2001:db8::7", "2001:db8::7"],
    ["[2001:db8::7]", "2001:db8::7"],
    ["localhost", "localhost"],
    ["vpn.example.com.", "vpn.example.com"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
  ];
  for (const [text, host] of cases) equal(parseHost("-server", text), host);
});

Deno.test("parseHost() refuses what is neither", () => {
  const refused = ["", ".", "a b", "1.2.3", "1.2.3.256", "host:8000", "https://host", "a..b"];
  refused.push("-a.example", "a-.example", "*.example", "a/b", "[host]", "[1.2.3.4]", "a\nb");
  refused.push("x".repeat(64), `${"x.".repeat(130)}com`);
  for (const text of refused) {
    throws(
      () => parseHost("-server", text),
      new UsageError(`-server must be an IP address or a host name, not '${text}'`),
    );
  }
});

Deno.test("parseAddress() wants a whole address", () => {
  equal(parseAddress("-ips", "192.0.2.1"), "192.0.2.1");
  equal(parseAddress("-ips", "2001:db8::1"), "2001:db8::1");
  for (const text of ["", "1.2.3", "192.0.2.1/24", "host"]) {
    throws(
      () => parseAddress("-ips", text),
      new UsageError(`-ips must hold IP addresses, not '${text}'`),
    );
  }
});

Deno.test("parseInterfaceName() follows the kernel's rule", () => {
  for (const name of ["eth0", "wg-home", "enp0s31f6", "br0.100", "a23456789012345"]) {
    equal(parseInterfaceName("-iface", name), name);
  }
  for (
    const name of ["", ".", "..", "a/b", "a b", "eth0:1", "a234567890123456", "a\x00", "üüüüüüüü"]
  ) {
    throws(() => parseInterfaceName("-iface", name), UsageError);
  }
});
