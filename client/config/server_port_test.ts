import { deepEqual, equal, ok } from "node:assert/strict";
import { parseClientOptions } from "./options.ts";

const parse = (...argv: string[]) => parseClientOptions(argv, "/root");

Deno.test("parseClientOptions() takes the port of the control plane behind the server's name", () => {
  const cases: [string[], string, number][] = [
    [["-server", "vpn.example.com:9443"], "vpn.example.com", 9443],
    [["--server=192.0.2.1:9443"], "192.0.2.1", 9443],
    [["-server", "[2001:db8::1]:9443"], "2001:db8::1", 9443],
    [["-server", "2001:db8::1"], "2001:db8::1", 8443],
    [["-server", "a:9443,[2001:db8::1]:9443"], "a,2001:db8::1", 9443],
    [["-server", "a:9443,b"], "a,b", 9443],
    [["-ctrl", "9443", "-server", "a:9443"], "a", 9443],
    [["-server", "a:9443", "-ctrl=9443"], "a", 9443],
  ];
  for (const [argv, server, controlPort] of cases) {
    const parsed = parse("-b", ...argv);
    ok(parsed.command === "bond", argv.join(" "));
    deepEqual([parsed.options.server, parsed.options.controlPort], [server, controlPort]);
  }
  const refused = parse("-b", "-server", "a:9443", "-ctrl", "8443");
  ok(refused.command === "print");
  equal(
    refused.text,
    "fluxify-client: -server 'a:9443' and -ctrl name more than one port: " +
      "give the port of the control plane once\n",
  );
});

Deno.test("parseClientOptions() takes links twice, and a comma at their end", () => {
  const parsed = parse("-b", "-server", "a", "-ifaces", "eth0,wlan0,eth0,");
  ok(parsed.command === "bond");
  deepEqual(parsed.options.links.map((link) => link.interfaceName), ["eth0", "wlan0"]);
  const balanced = parse("-l", "-ifaces", "eth0,wlan0,eth0,");
  ok(balanced.command === "balance");
  deepEqual(balanced.options.interfaces, ["eth0", "wlan0"]);
});
