import { equal, ok } from "node:assert/strict";
import { WaitingRoom } from "./waiting_room.ts";

function standing(rate: number, flows: number, spreadMs = 0, grace = 0): number {
  const room = new WaitingRoom();
  room.update(rate, flows, spreadMs, grace, 0);
  return room.standing;
}

Deno.test("one flow may queue for longer than several, and all for what makes up for delays", () => {
  ok(standing(5000, 1) > standing(5000, 2));
  equal(standing(5000, 8), standing(5000, 16));
  ok(standing(5000, 1, 60) > standing(5000, 1));
});

Deno.test("what was on its way when a path went may wait", () => {
  equal(standing(1000, 1, 0, 900_000), 900_000);
});

Deno.test("where paths carry less, more may wait than they need, for a while", () => {
  const room = new WaitingRoom();
  room.update(5000, 1, 0, 0, 0);
  room.update(3000, 1, 0, 0, 100);
  ok(room.standing > 1.5 * standing(3000, 1));
  for (let now = 200; now < 60_000; now += 100) room.update(3000, 1, 0, 0, now);
  equal(room.standing, standing(3000, 1));
});
