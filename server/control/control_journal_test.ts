import { deepEqual, equal } from "node:assert/strict";
import { type ControlEvent, ControlJournal } from "./control_journal.ts";

Deno.test("failed handshakes make one line in 10 s, which counts those before it", () => {
  const events: ControlEvent[] = [];
  const journal = new ControlJournal((event) => events.push(event));
  for (let ms = 0; ms < 10_000; ms += 10) journal.handshakeFailed("192.0.2.1", "garbage", ms);
  equal(events.length, 1);
  journal.handshakeFailed("192.0.2.2", "silence", 10_000);
  deepEqual(events[1], {
    event: "handshakes failed",
    count: 1000,
    lastAddress: "192.0.2.2",
    lastReason: "silence",
  });
  equal(journal.stats.handshakesFailed, 1001);
});

Deno.test("sessions make five lines of each client in 10 s, and all are counted", () => {
  const events: ControlEvent[] = [];
  const journal = new ControlJournal((event) => events.push(event));
  const grant = (commonName: string, ms: number) =>
    journal.granted(
      { commonName, serialHex: "01", remoteAddress: "192.0.2.1", clientVersion: "1.0" },
      ms,
    );
  for (let i = 0; i < 50; i++) grant("alice", i);
  grant("bob", 60);
  equal(events.length, 6);
  grant("alice", 10_000);
  const last = events.at(-1);
  equal(last?.event === "granted" && last.suppressed, 45);
  equal(journal.stats.granted, 52);
});

Deno.test("refusals make ten lines of each code in 10 s", () => {
  const events: ControlEvent[] = [];
  const journal = new ControlJournal((event) => events.push(event));
  const refuse = (code: string, ms: number) =>
    journal.refused({ code, message: "no" }, "alice", "192.0.2.1", ms);
  for (let i = 0; i < 50; i++) refuse("revoked", i);
  refuse("malformed", 60);
  equal(events.length, 11);
  refuse("revoked", 10_000);
  const last = events.at(-1);
  equal(last?.event === "refused" && last.suppressed, 40);
  equal(journal.stats.refused, 52);
});
