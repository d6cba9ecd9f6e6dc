import { equal } from "node:assert/strict";
import { LossWindow } from "./loss_window.ts";

Deno.test("LossWindow says nothing of too few, then the share of the last five seconds", () => {
  const window = new LossWindow();
  equal(window.share(0), null);
  window.add(19, 1, 0);
  equal(window.share(0), null);
  window.add(1, 0, 500);
  equal(window.share(500), 0.05);
  window.add(20, 0, 3000);
  equal(window.share(3000), 0.025);
  equal(window.share(5000), 0, "the first second is forgotten");
  equal(window.share(60_000), null);
});

Deno.test("LossWindow takes back what came late, and never goes below none", () => {
  const window = new LossWindow();
  window.add(100, 4, 0);
  window.add(0, -3, 100);
  equal(window.share(100), 0.01);
  equal(window.lostCount(100), 1);
  window.add(0, -3, 200);
  equal(window.share(200), 0);
  window.reset();
  equal(window.share(200), null);
});
