import { deepEqual, equal } from "node:assert/strict";
import { mock } from "node:test";
import { Drain } from "./drain.ts";

Deno.test("Drain asks the clients that are left, until it is stopped", () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const asked: number[] = [];
    const told: boolean[] = [];
    let sessions = [{ id: 1 }, { id: 2 }];
    using drain = new Drain({
      engine: { askToLeave: (id) => void asked.push(id) },
      sessions: () => sessions,
      changed: (isDraining) => void told.push(isDraining),
    });
    equal(drain.isDraining, false);
    drain.start();
    drain.start();
    deepEqual(asked, [1, 2]);
    sessions = [{ id: 2 }];
    mock.timers.tick(1000);
    deepEqual(asked, [1, 2, 2]);
    equal(drain.isDraining, true);
    drain.stop();
    drain.stop();
    mock.timers.tick(5000);
    deepEqual(asked, [1, 2, 2]);
    deepEqual(told, [true, false]);
    equal(drain.isDraining, false);
  } finally {
    mock.timers.reset();
  }
});
