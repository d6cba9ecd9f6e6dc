import { equal } from "node:assert/strict";
import { isPrivateAddress } from "./private_networks.ts";

Deno.test("isPrivateAddress() knows what stays at home from what crosses the Internet", () => {
  const home = ["127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.9"];
  const link = ["169.254.3.4", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1"];
  for (const address of [...home, ...link]) equal(isPrivateAddress(address), true, address);
  const away = [
    "192.0.2.1",
    "172.32.0.1",
    "2001:db8::1",
    "::ffff:203.0.113.1",
    "store.example",
    "",
  ];
  for (const address of away) equal(isPrivateAddress(address), false, address);
});
