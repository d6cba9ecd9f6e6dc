import { deepEqual } from "node:assert/strict";
import { ConnectProgress } from "./connect_progress.ts";

const shown = (progress: ConnectProgress) =>
  progress.steps.filter(({ state }) => state !== "waiting")
    .map(({ step, state, detail }) => `${step} ${state}: ${detail}`);

Deno.test("a step that is begun has those before it done, and those behind it to come", () => {
  const progress = new ConnectProgress();
  deepEqual(shown(progress), []);
  progress.begin("resolve", "vpn.example.com");
  deepEqual(shown(progress), ["resolve under way: vpn.example.com"]);
  progress.tell("resolve", "203.0.113.10");
  progress.begin("TCP", "203.0.113.10 over one");
  progress.begin("TLS", "");
  deepEqual(shown(progress), [
    "resolve done: 203.0.113.10",
    "TCP done: 203.0.113.10 over one",
    "TLS under way: ",
  ]);
});

Deno.test("what failed says why, and begins anew over another link", () => {
  const progress = new ConnectProgress();
  progress.fail("nothing has begun");
  deepEqual(shown(progress), []);
  progress.begin("TCP", "over one");
  progress.begin("TLS", "");
  progress.fail("an impostor");
  deepEqual(shown(progress).at(-1), "TLS failed: an impostor");
  progress.begin("TCP", "over two");
  deepEqual(shown(progress), ["resolve done: ", "TCP under way: over two"]);
});

Deno.test("once all is done, renewals change nothing", () => {
  const progress = new ConnectProgress();
  progress.begin("TUN", "");
  progress.finish();
  const done = shown(progress);
  progress.begin("TCP", "a renewal");
  progress.fail("that failed");
  progress.tell("TUN", "other");
  deepEqual(shown(progress), done);
  deepEqual(progress.steps.every(({ state }) => state === "done"), true);
});
