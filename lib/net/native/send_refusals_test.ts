/** What the kernel refuses to send, and what becomes of it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  EACCES,
  EAGAIN,
  ECONNREFUSED,
  EHOSTUNREACH,
  EIO,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  EPERM,
} from "../../ffi/libc/errno.ts";
import { ipv6Words } from "../../protocol/packet/inner_address.ts";
import { SessionPath } from "../../protocol/path/session_path.ts";

import { Sending } from "./test_sending.ts";

for (const [name, errno] of Object.entries({ EHOSTUNREACH, ENETUNREACH, EACCES, ECONNREFUSED })) {
  Deno.test(`${name} is said of a datagram before: the batch is sent again, no link is gone`, () => {
    using sending = new Sending();
    const said = [errno];
    sending.refuse(() => said.shift() ?? 0);
    for (const length of [1200, 1200, 70]) sending.put(length);
    sending.sender.flush(0);
    deepEqual(sending.arrived(), ["1x1200", "2x1200", "3x70"]);
    deepEqual([sending.told, sending.drops.entries()], [[], []]);
  });
}

Deno.test("a link is gone when the kernel says so twice, and the records are counted", () => {
  using sending = new Sending();
  sending.refuse(() => ENETUNREACH);
  for (let record = 0; record < 3; record++) sending.put(500);
  sending.sender.flush(0);
  deepEqual(sending.told, ["link 0 failed"]);
  deepEqual(sending.drops.entries(), [["send failed", 3]]);
});

Deno.test("a server's shared socket has no link that could be gone", () => {
  using sending = new Sending({ isConnected: false });
  sending.refuse(() => EHOSTUNREACH);
  sending.put(500);
  sending.sender.flush(0);
  deepEqual(sending.told, []);
  deepEqual(sending.drops.entries(), [["send failed", 1]]);
});

Deno.test("GSO refused for want of checksums is asked for again only after 10 s", () => {
  using sending = new Sending();
  const tried = sending.refuse((records) => records > 1 ? EIO : 0);
  const send = (now: number, length = 500) => {
    for (let record = 0; record < 3; record++) sending.put(length);
    sending.sender.flush(now);
    return tried.splice(0);
  };
  deepEqual(send(0), [3, 3, 1, 1, 1]);
  deepEqual(send(1), [1, 1, 1]);
  deepEqual(send(9999, 100), [1, 1, 1]);
  deepEqual(send(10_000), [3, 3, 1, 1, 1]);
  equal(sending.arrived().length, 12);
  deepEqual(sending.drops.entries(), []);
});

Deno.test("GSO refused for long records is not asked for those, and goes on for shorter ones", () => {
  using sending = new Sending();
  let limit = 1280;
  let length = 0;
  const tried = sending.refuse((records) => records > 1 && length > limit ? EMSGSIZE : 0);
  const send = (now: number, bytes: number) => {
    length = bytes;
    for (let record = 0; record < 2; record++) sending.put(bytes);
    sending.sender.flush(now);
    return tried.splice(0);
  };
  deepEqual(send(0, 1478), [2, 2, 1, 1]);
  deepEqual(send(1, 1478), [1, 1]);
  deepEqual(send(2, 1200), [2]);
  limit = 1100;
  deepEqual(send(3, 1200), [2, 2, 1, 1]);
  deepEqual(send(4, 1300), [1, 1]);
  limit = 1500;
  deepEqual(send(20_000, 1478), [2]);
  equal(sending.arrived().length, 12);
  deepEqual([sending.told, sending.drops.entries()], [[], []]);
});

for (const [name, errno] of Object.entries({ EAGAIN, ENOBUFS })) {
  Deno.test(`${name}: what the kernel has no room for waits, and leaves when it has`, () => {
    using sending = new Sending();
    let isFull = true;
    const tried = sending.refuse(() => isFull ? errno : 0);
    for (let record = 0; record < 3; record++) sending.put(500);
    sending.sender.flush(0);
    ok(sending.sender.isBlocked, "no more packets are to be read");
    equal(tried.length, 1);
    sending.sender.flush(1);
    equal(tried.length, 1, "not asked again before the time");
    sending.put(500);
    isFull = false;
    sending.sender.retry(20);
    equal(sending.sender.isBlocked, false);
    deepEqual(sending.arrived(), ["1x500", "2x500", "3x500", "4x500"]);
    deepEqual(sending.drops.entries(), []);
  });

  Deno.test(`${name}: what waits for 100 ms is dropped and counted, record by record`, () => {
    using sending = new Sending();
    sending.refuse(() => errno);
    for (let record = 0; record < 5; record++) sending.put(500);
    sending.sender.flush(0);
    for (let now = 0; now < 100; now = Math.max(now + 1, sending.sender.retryAt)) {
      sending.sender.retry(now);
      ok(sending.sender.isBlocked);
    }
    sending.sender.retry(120);
    equal(sending.sender.isBlocked, false);
    deepEqual(sending.drops.entries(), [["send buffer full", 5]]);
  });
}

Deno.test("a full batch that waits takes no more, which is counted; other paths go on", () => {
  using sending = new Sending();
  let isFull = true;
  const tried = sending.refuse(() => isFull ? EAGAIN : 0);
  for (let record = 0; record < 66; record++) sending.put(100);
  sending.sender.flush(0);
  deepEqual(tried, [64], "the kernel is not asked for each");
  deepEqual(sending.drops.entries(), [["send buffer full", 2]]);
  isFull = false;
  sending.put(100, 1);
  sending.sender.flush(1);
  equal(sending.arrived().length, 1);
  sending.sender.retry(20);
  equal(sending.arrived().length, 64);
});

Deno.test("what waits for a path that is closed is dropped, and blocks nothing any more", () => {
  using sending = new Sending({ isConnected: false });
  sending.refuse(() => EAGAIN);
  sending.put(100);
  sending.sender.flush(0);
  sending.sender.close(sending.paths[0]!);
  equal(sending.sender.isBlocked, false);
  deepEqual(sending.drops.entries(), [["send failed", 1]]);
});

Deno.test("one by one: records that are refused are counted, and those before have left", () => {
  using sending = new Sending({ gso: false });
  let sent = 0;
  sending.refuse(() => ++sent > 2 ? EPERM : 0);
  for (let record = 0; record < 5; record++) sending.put(500);
  sending.sender.flush(0);
  deepEqual(sending.arrived(), ["1x500", "2x500"]);
  deepEqual(sending.drops.entries(), [["send failed", 3]]);
});

Deno.test("one by one: a shorter last record passes where the others are too large", () => {
  using sending = new Sending();
  let singles = 0;
  sending.refuse((records) => records > 1 || ++singles <= 4 ? EMSGSIZE : 0);
  for (const length of [1400, 1400, 600]) sending.put(length);
  sending.sender.flush(0);
  deepEqual(sending.arrived(), ["3x600"]);
  deepEqual(sending.drops.entries(), [["too big for path", 2]]);
  deepEqual(sending.told, ["link 0 refused 1350 bytes"]);
});

Deno.test("each of nine paths of one turn has a send of its own", () => {
  using sending = new Sending({ isConnected: false });
  const tried = sending.refuse(() => 0);
  for (let id = 2; id < 9; id++) sending.paths.push(new SessionPath(id, `link ${id}`, 0, 0));
  for (const [id, path] of sending.paths.entries()) {
    path.socket = 0;
    const { peer } = path;
    [peer.a0, peer.a1, peer.a2, peer.a3] = ipv6Words("::ffff:127.0.0.1");
    peer.port = 20_000 + id;
  }
  for (let round = 0; round < 10; round++) {
    for (let path = 0; path < 9; path++) sending.put(500, path);
  }
  sending.sender.flush(0);
  deepEqual(tried, Array(9).fill(10));
});
