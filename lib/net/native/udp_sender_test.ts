/** Batches of records, as they arrive at a socket on the loopback interface. */
import { deepEqual, equal } from "node:assert/strict";
import { openIpv4ServerSocket, openPathSocket, openServerSocket } from "../../ffi/linux/socket.ts";
import { ipv6Words } from "../../protocol/packet/inner_address.ts";
import { SessionPath } from "../../protocol/path/session_path.ts";
import { portOf } from "../../../testing/loopback.ts";

import { Sending } from "./test_sending.ts";

for (const gso of [true, false]) {
  const how = gso ? "in one send" : "one by one";

  Deno.test(`${how}: records of one length and a shorter last one arrive whole`, () => {
    using sending = new Sending({ gso });
    for (const length of [1200, 1200, 1200, 70]) sending.put(length);
    deepEqual(sending.arrived(), [], "nothing leaves before the flush");
    sending.sender.flush(0);
    deepEqual(sending.arrived(), ["1x1200", "2x1200", "3x1200", "4x70"]);
    sending.sender.flush(0);
    deepEqual(sending.arrived(), []);
  });

  Deno.test(`${how}: a longer record, and one behind a shorter one, begin a new batch`, () => {
    using sending = new Sending({ gso });
    for (const length of [100, 200, 200, 150, 150, 200]) sending.put(length);
    sending.sender.flush(0);
    deepEqual(sending.arrived(), ["1x100", "2x200", "3x200", "4x150", "5x150", "6x200"]);
  });

  Deno.test(`${how}: each path has a batch of its own, on its own socket`, () => {
    using sending = new Sending({ gso });
    sending.put(100, 0);
    sending.put(100, 1);
    sending.put(100, 0);
    sending.sender.flush(0);
    const arrivals = sending.loopback.arrivals();
    const bytesFrom = (port: number) =>
      arrivals.filter((arrival) => arrival.port === port).flatMap(({ bytes }) => [...bytes]);
    const { client, other } = sending;
    deepEqual(bytesFrom(client.port), [...Array(100).fill(1), ...Array(100).fill(3)]);
    deepEqual(bytesFrom(other.port), Array(100).fill(2));
  });

  Deno.test(`${how}: more than 64 records, or more than 64 KiB, leave in several batches`, () => {
    using sending = new Sending({ gso });
    for (let record = 0; record < 150; record++) sending.put(60);
    for (let record = 150; record < 200; record++) sending.put(1478);
    sending.sender.flush(0);
    const expected = Array.from({ length: 200 }, (_, index) => index < 150 ? 60 : 1478)
      .map((length, index) => `${index + 1}x${length}`);
    deepEqual(sending.arrived(), expected);
    deepEqual(sending.drops.entries(), []);
  });
}

Deno.test("a batch has one traffic class: another one begins a new batch", () => {
  using sending = new Sending();
  const tried = sending.refuse(() => 0);
  for (const trafficClass of [0, 0, 184, 184, 184, 0]) sending.put(500, 0, trafficClass);
  sending.sender.flush(0);
  deepEqual(tried, [2, 3, 1]);
  equal(sending.arrived().length, 6);
});

Deno.test("a record that cannot be sealed does not leave and is counted, those around it leave", () => {
  using sending = new Sending();
  sending.put(100);
  sending.seals = false;
  sending.put(100);
  sending.seals = true;
  sending.put(100);
  sending.sender.flush(0);
  deepEqual(sending.arrived(), ["1x100", "3x100"]);
  deepEqual(sending.drops.entries(), [["send failed", 1]]);
});

Deno.test("a record longer than a datagram can be is counted, and those after it leave", () => {
  using sending = new Sending();
  sending.put(65_585);
  sending.put(100);
  sending.sender.flush(0);
  deepEqual(sending.arrived(), ["2x100"]);
  deepEqual(sending.drops.entries(), [["too big for path", 1]]);
  deepEqual(sending.told, ["link 0 refused 65535 bytes"]);
});

Deno.test("what became of a datagram sent before is not held against the next one", () => {
  using sending = new Sending();
  const { libc } = sending.loopback;
  const away = openServerSocket(libc, 0);
  const port = portOf(libc, away.fd);
  const { fd } = openPathSocket(libc, { device: "lo", server: "127.0.0.1", port });
  libc.closeFile(away.fd);
  sending.sockets.add({ fd, gso: true });
  sending.paths.push(new SessionPath(2, "link 2", 2, 0));
  sending.put(100, 2);
  sending.sender.flush(0);
  const back = openServerSocket(libc, port);
  sending.put(100, 2);
  sending.sender.flush(0);
  deepEqual(sending.arrived(back.fd), ["2x100"]);
  deepEqual(sending.drops.entries(), []);
  libc.closeFile(back.fd);
  libc.closeFile(fd);
});

Deno.test("a link that works again is told once its packets leave", () => {
  using sending = new Sending();
  sending.paths[0]!.isLinkGone = true;
  sending.put(100);
  sending.put(100, 1);
  sending.sender.flush(0);
  deepEqual(sending.told, ["link 0 works"]);
});

for (
  const [server, open] of [
    ["127.0.0.1", openServerSocket],
    ["127.0.0.3", openServerSocket],
    ["::1", openServerSocket],
    ["127.0.0.3", openIpv4ServerSocket],
  ] as const
) {
  Deno.test(`a server answers from ${server}, as it was called: ${open.name}`, () => {
    using sending = new Sending({ isConnected: false, open });
    // Connected, so the kernel gives it only what comes from that very address.
    const client = sending.loopback.connect(server);
    const { peer } = sending.paths[0]!;
    const words = ipv6Words(server.includes(":") ? server : `::ffff:${server}`);
    [peer.local0, peer.local1, peer.local2, peer.local3] = words;
    const from = server.includes(":") ? server : `::ffff:${sourceOf(sending, client.fd)}`;
    [peer.a0, peer.a1, peer.a2, peer.a3] = ipv6Words(from);
    peer.port = client.port;
    for (const length of [500, 500, 20]) sending.put(length);
    sending.sender.flush(0);
    deepEqual(sending.arrived(client.fd), ["1x500", "2x500", "3x20"]);
    equal(sending.drops.total, 0);
  });
}

function sourceOf(sending: Sending, fd: number): string {
  return sending.loopback.libc.socketName(fd).slice(4, 8).join(".");
}
