import { deepEqual } from "node:assert/strict";
import { MemoryReleases } from "./memory_release.ts";

const MIB = 1024 * 1024;

Deno.test("memory is given back every five minutes, and ten seconds after much has come together", () => {
  let residentMib = 100;
  let now = 0;
  const releasedAt: number[] = [];
  const releases = new MemoryReleases({
    residentBytes: () => residentMib * MIB,
    release: () => {
      releasedAt.push(now);
      residentMib -= 5;
    },
  });
  releases.release(now);
  for (now = 10; now <= 400; now += 10) {
    if (now === 50) residentMib += 23;
    if (now === 60) residentMib += 1;
    releases.look(now * 1000);
  }
  deepEqual(releasedAt, [0, 60, 360]);
});
