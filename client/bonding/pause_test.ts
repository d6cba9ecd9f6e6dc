import { equal } from "node:assert/strict";
import { pause } from "./pause.ts";

/** A signal that counts who listens to it. */
class CountedSignal extends EventTarget {
  readonly aborted = false;
  listeners = 0;

  override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners--;
    super.removeEventListener(...args);
  }
}

Deno.test("pause() ends with its time, and takes its listener along", async () => {
  const signal = new CountedSignal();
  for (let time = 0; time < 3; time++) await pause(1, signal as unknown as AbortSignal);
  equal(signal.listeners, 0);
});

Deno.test("pause() ends sooner when it is aborted, was aborted before, or is told to", async () => {
  const stop = new AbortController();
  const waiting = pause(60_000, stop.signal);
  stop.abort();
  await waiting;
  await pause(60_000, stop.signal);
  await pause(60_000, new AbortController().signal, Promise.resolve());
});
