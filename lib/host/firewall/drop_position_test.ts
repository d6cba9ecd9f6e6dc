import { equal } from "node:assert/strict";
import { firstDropOfAll } from "./drop_position.ts";

Deno.test("firstDropOfAll() finds the rule behind which nothing is reached", () => {
  const cases: [string, number | null][] = [
    ["-P FORWARD DROP", null],
    ["-P FORWARD ACCEPT\n-A FORWARD -s 10.8.0.5/32 -j DROP", null],
    ["-A FORWARD -s 10.8.0.5/32 -j DROP\n-A FORWARD -j DROP", 2],
    ["-A FORWARD -j REJECT --reject-with icmp-host-prohibited", 1],
    ['-A FORWARD -m comment --comment "all the rest" -j DROP', 1],
    ["-A FORWARD -m comment --comment rest -j DROP", 1],
    ["-A FORWARD -i eth0 -j OTHERS\n-A OTHERS -j DROP", null],
    ["-A FORWARD -j LOG\n-A FORWARD -j OTHERS\n-A OTHERS -p tcp -j ACCEPT\n-A OTHERS -j DROP", 2],
    ["-A FORWARD -g OTHERS\n-A OTHERS -j DEEPER\n-A DEEPER -j REJECT", 1],
    ["-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN", null],
    ["-A INPUT -j DROP", null],
    ["", null],
  ];
  for (const [listing, place] of cases) equal(firstDropOfAll(listing, "FORWARD"), place, listing);
});

Deno.test("firstDropOfAll() ends with chains that go round in a circle", () => {
  equal(firstDropOfAll("-A FORWARD -j A\n-A A -j B\n-A B -j A", "FORWARD"), null);
});
