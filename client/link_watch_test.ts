import { equal } from "node:assert/strict";
import { linkIn } from "./link_watch.ts";

Deno.test("linkIn() tells links that are off, without carrier or gone from those that are up", () => {
  const cases: [string, string | null][] = [
    [
      "3: wan1@if2: <BROADCAST,MULTICAST> mtu 1500 qdisc noqueue state DOWN group default",
      "wan1 down",
    ],
    ["3: wan1: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 state DOWN", "wan1 down"],
    ["Deleted 4: eth0.100: <BROADCAST,UP,LOWER_UP> mtu 1500", "eth0.100 down"],
    ["3: wan1@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP", "wan1 up"],
    ["    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff", null],
    ["Deleted default via 10.1.0.1 dev wan1", null],
    ["3: wan1    inet 10.1.0.2/24 scope global wan1", null],
    ["", null],
  ];
  for (const [line, expected] of cases) {
    const link = linkIn(line);
    equal(link && `${link.name} ${link.state}`, expected, line);
  }
});
