import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { nextKey } from "./key_schedule.ts";
import { type Cipher, type CipherSuite, ReceiveKeys, SendKeys } from "./key_epochs.ts";

/** A cipher that remembers its key, and that it was wiped. */
class FakeCipher implements Cipher {
  isFree = false;
  constructor(readonly key: Uint8Array) {}
  free(): void {
    ok(!this.isFree, "freed twice");
    this.isFree = true;
  }
}

class FakeSuite implements CipherSuite<FakeCipher, FakeCipher> {
  readonly made: FakeCipher[] = [];
  sealer(key: Uint8Array): FakeCipher {
    const cipher = new FakeCipher(key.slice());
    this.made.push(cipher);
    return cipher;
  }
  opener(key: Uint8Array): FakeCipher {
    return this.sealer(key);
  }
}

function newKey(): Uint8Array {
  return new Uint8Array(32).fill(7);
}

function isWiped(key: Uint8Array): boolean {
  return key.every((byte) => byte === 0);
}

Deno.test("SendKeys moves on after its packets, with the key drawn from the one before", () => {
  const suite = new FakeSuite();
  const key = newKey();
  const keys = new SendKeys(suite, key, { packets: 3, ms: 1000 }, 0);
  const first = keys.sealer;
  deepEqual([keys.nextCounter(0), keys.nextCounter(5), keys.nextCounter(0)], [1, 1, 2]);
  equal(keys.epoch, 0);
  keys.advanceIfDue(1);
  equal(keys.epoch, 1);
  ok(first.isFree && isWiped(key));
  deepEqual(keys.sealer.key, nextKey(newKey()));
  deepEqual([keys.nextCounter(0), keys.nextCounter(5)], [1, 1]);
  keys.advanceIfDue(1);
  equal(keys.epoch, 1);
});

Deno.test("SendKeys moves on after its time, counted from the epoch's start", () => {
  const keys = new SendKeys(new FakeSuite(), newKey(), { packets: 10, ms: 1000 }, 500);
  const send = (now: number) => {
    keys.nextCounter(0);
    keys.advanceIfDue(now);
    return keys.epoch;
  };
  deepEqual([1499, 1500, 2499, 2500].map(send), [0, 1, 1, 2]);
});

Deno.test("SendKeys stays in an epoch that nothing was sent in: the receiver could not follow", () => {
  const keys = new SendKeys(new FakeSuite(), newKey(), { packets: 10, ms: 1000 }, 0);
  keys.nextCounter(0);
  for (const now of [1000, 2000, 3000]) keys.advanceIfDue(now);
  equal(keys.epoch, 1);
});

Deno.test("SendKeys.free() wipes what is left", () => {
  const suite = new FakeSuite();
  const key = newKey();
  new SendKeys(suite, key, { packets: 10, ms: 1000 }, 0).free();
  ok(isWiped(key) && suite.made.every(({ isFree }) => isFree));
});

Deno.test("ReceiveKeys follows a sender through epochs, the one before for 10 s", () => {
  const keys = new ReceiveKeys(new FakeSuite(), newKey());
  const first = keys.current;
  const second = keys.select(1, 0)!;
  deepEqual(second.opener.key, nextKey(newKey()));
  equal(keys.select(1, 0), second, "made once");
  equal(keys.current, first, "asking changes nothing");
  keys.confirm(second, 1000);
  equal(keys.current, second);
  equal(keys.select(0, 10_999), first);
  equal(keys.select(0, 11_000), null);
  ok(!first.opener.isFree);
  keys.handleTimeout(10_999);
  ok(!first.opener.isFree);
  keys.handleTimeout(11_000);
  ok(first.opener.isFree && isWiped(first.key));
  equal(keys.select(0, 11_000), null);
  ok(!isWiped(second.key));
});

Deno.test("ReceiveKeys takes what is late by several epochs, each for 10 s", () => {
  const keys = new ReceiveKeys(new FakeSuite(), newKey());
  const first = keys.current;
  for (const epoch of [1, 2, 3]) keys.confirm(keys.select(epoch, 0)!, 1000 * epoch);
  equal(keys.select(0, 10_999), first);
  keys.handleTimeout(11_000);
  ok(first.opener.isFree && isWiped(first.key));
  equal(keys.select(0, 11_000), null);
  equal(keys.select(1, 11_000)!.epoch, 1);
  equal(keys.select(2, 11_000)!.epoch, 2);
});

Deno.test("ReceiveKeys keeps eleven epochs before the present one at most", () => {
  const suite = new FakeSuite();
  const keys = new ReceiveKeys(suite, newKey());
  for (let epoch = 1; epoch <= 40; epoch++) keys.confirm(keys.select(epoch, epoch)!, epoch);
  const known = [];
  for (let epoch = 0; epoch < 41; epoch++) if (keys.select(epoch, 41) !== null) known.push(epoch);
  deepEqual(known, [29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40]);
  equal(suite.made.filter(({ isFree }) => !isFree).length, 12);
  keys.free();
  ok(suite.made.every(({ isFree }) => isFree));
});

Deno.test("ReceiveKeys knows few epochs, whatever is asked for", () => {
  const suite = new FakeSuite();
  const keys = new ReceiveKeys(suite, newKey());
  keys.confirm(keys.select(1, 0)!, 0);
  const known = [];
  for (let epoch = 0; epoch < 256; epoch++) if (keys.select(epoch, 1) !== null) known.push(epoch);
  deepEqual(known, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  equal(suite.made.length, 10);
  keys.free();
  ok(suite.made.every(({ isFree }) => isFree));
});

Deno.test("ReceiveKeys catches up with a sender of which whole epochs were lost", () => {
  const suite = new FakeSuite();
  const keys = new ReceiveKeys(suite, newKey());
  keys.confirm(keys.select(5, 0)!, 0);
  equal(keys.current.epoch, 5);
  equal(keys.select(3, 1)!.epoch, 3, "late ones of those passed over");
  equal(keys.select(14, 1), null);
  equal(keys.select(13, 1)!.epoch, 13);
  const sender = new SendKeys(new FakeSuite(), newKey(), { packets: 1, ms: 1e9 }, 0);
  for (let epoch = 0; epoch < 5; epoch++) {
    sender.nextCounter(0);
    sender.advanceIfDue(0);
  }
  equal(sender.epoch, 5);
  keys.free();
  ok(suite.made.every(({ isFree }) => isFree));
});

Deno.test("property: what is lost and how late what is not comes never stops the receiver", () => {
  const KEPT_MS = 10_000;
  const record = fc.record({
    afterMs: fc.nat({ max: 1500 }),
    delayMs: fc.nat({ max: KEPT_MS - 1 }),
    isLost: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(record, { maxLength: 100 }), (records) => {
    const sender = new SendKeys(new FakeSuite(), newKey(), { packets: 2 ** 26, ms: 1000 }, 0);
    const suite = new FakeSuite();
    const receiver = new ReceiveKeys(suite, newKey());
    const arrivals: { at: number; wire: number; epoch: number; key: Uint8Array }[] = [];
    let epoch = 0;
    let now = 0;
    for (const { afterMs, delayMs, isLost } of records) {
      now += afterMs;
      const before = sender.epoch;
      sender.advanceIfDue(now);
      if (sender.epoch !== before) epoch++;
      sender.nextCounter(0);
      const sent = { at: now + delayMs, wire: sender.epoch, epoch, key: sender.sealer.key };
      if (!isLost) arrivals.push(sent);
    }
    let newest = 0;
    for (const { at, wire, epoch, key } of arrivals.toSorted((a, b) => a.at - b.at)) {
      // Eight epochs of which nothing has come are more than any path is away for.
      if (epoch - newest > 8) break;
      receiver.handleTimeout(at);
      const found = receiver.select(wire, at)!;
      deepEqual(found?.opener.key, key, `epoch ${epoch} after ${newest}`);
      receiver.confirm(found, at);
      newest = Math.max(newest, epoch);
      equal(receiver.current.epoch, newest & 0xff);
      const held = suite.made.filter(({ isFree }) => !isFree).length;
      ok(held <= 1 + 11 + 8, `${held} keys`);
    }
    receiver.free();
    ok(suite.made.every(({ isFree }) => isFree));
  }));
});

Deno.test("ReceiveKeys: confirming the present epoch, or the one before, changes nothing", () => {
  const keys = new ReceiveKeys(new FakeSuite(), newKey());
  const first = keys.current;
  keys.confirm(first, 0);
  const second = keys.select(1, 0)!;
  keys.confirm(second, 0);
  keys.confirm(first, 5000);
  equal(keys.current, second);
  equal(keys.select(0, 9999), first);
  equal(keys.select(0, 10_000), null, "its time is not prolonged");
});

Deno.test("ReceiveKeys goes on after epoch 255 with 0", () => {
  const keys = new ReceiveKeys(new FakeSuite(), newKey());
  for (let epoch = 1; epoch <= 300; epoch++) {
    const next = keys.select(epoch & 0xff, epoch)!;
    notDeepEqual(next.key, keys.current.key);
    keys.confirm(next, epoch);
  }
  equal(keys.current.epoch, 300 & 0xff);
});

Deno.test("a receive epoch has a window for each path and sender, and not more than 512", () => {
  const { current } = new ReceiveKeys(new FakeSuite(), newKey());
  equal(current.window(3, 0), null);
  const window = current.openWindow(3, 0);
  equal(current.window(3, 0), window);
  equal(current.window(3, 1), null);
  const other = current.openWindow(3, 1)!;
  ok(other !== window && current.window(3, 1) === other);
  for (let sender = 2; sender < 512; sender++) ok(current.openWindow(0xff, sender) !== null);
  equal(current.openWindow(0, 600), null);
  equal(current.window(0, 600), null);
});
