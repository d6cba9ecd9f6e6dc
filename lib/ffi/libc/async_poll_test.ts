import { equal } from "node:assert/strict";
import { AsyncPoll } from "./async_poll.ts";
import { Libc } from "./libc.ts";

Deno.test("wait() answers when the descriptor is readable, or wake() was called", async () => {
  const libc = Libc.open();
  const fd = libc.eventfd();
  const poll = new AsyncPoll(libc, fd);
  const waiting = poll.wait();
  libc.signalEventfd(fd);
  equal(await waiting, "readable");
  libc.clearEventfd(fd);
  const interrupted = poll.wait();
  poll.wake();
  equal(await interrupted, "woken");
  equal(await poll.wait(), "woken");
  poll.close();
  libc.closeFile(fd);
  libc.unload();
});

Deno.test("wait() answers that a closed descriptor is gone", async () => {
  const libc = Libc.open();
  const fd = libc.eventfd();
  libc.closeFile(fd);
  const poll = new AsyncPoll(libc, -1);
  const never = poll.wait();
  poll.wake();
  equal(await never, "woken");
  poll.close();
  // A number no descriptor has: the closed one's may have been given to another file.
  const closed = new AsyncPoll(libc, 1_000_000);
  equal(await closed.wait(), "gone");
  closed.close();
  libc.unload();
});
