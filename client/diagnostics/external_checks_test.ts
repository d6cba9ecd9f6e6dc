import { deepEqual, match } from "node:assert/strict";
import { externalChecks } from "./external_checks.ts";

const link = (name: string, own: string, seenAs: string | null) => ({ name, own: [own], seenAs });

Deno.test("externalChecks() tells a NAT from none, and a provider's from one's own", () => {
  const checks = externalChecks([
    link("fiber", "203.0.113.7", "203.0.113.7:40000"),
    link("six", "2001:db8::7", "[2001:db8:0::7]:40000"),
    link("dsl", "192.168.1.2", "198.51.100.9:1024"),
    link("lte", "100.65.3.4", "198.51.100.77:7"),
    link("old", "192.168.3.2", null),
  ]);
  deepEqual(checks.map(({ name, state, text }) => [name, state, text]), [
    ["fiber", "ok", "203.0.113.7, the link's own: no NAT"],
    ["six", "ok", "2001:db8:0::7, the link's own: no NAT"],
    ["dsl", "ok", "198.51.100.9, behind a NAT, which shows port 1024"],
    ["lte", "ok", "198.51.100.77, behind the NAT of the provider, which shows port 7"],
    ["old", "left out", "the server does not say from where it is reached"],
  ]);
});

Deno.test("externalChecks() warns of links that share a connection", () => {
  const checks = externalChecks([
    link("a", "192.168.1.2", "198.51.100.9:1"),
    link("b", "192.168.2.2", "198.51.100.9:2"),
  ]);
  const last = checks.at(-1)!;
  deepEqual([last.name, last.state], ["a and b", "warning"]);
  match(last.advice!, /put b on another line/);
});
