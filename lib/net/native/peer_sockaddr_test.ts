/** Addresses as they are written for a send and read back from a receive, in memory. */
import { deepEqual, equal } from "node:assert/strict";
import { cmsgSpace, MessageBuffer } from "../../ffi/linux/message.ts";
import { encodeSockaddr } from "../../ffi/linux/socket.ts";
import { Arena } from "../../ffi/memory/arena.ts";
import { ipv6Words } from "../../protocol/packet/inner_address.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import { LOCAL_ADDRESS_SPACE, readPeer, writePeer } from "./peer_sockaddr.ts";

function setUp() {
  const arena = new Arena(1024);
  const message = new MessageBuffer(arena, LOCAL_ADDRESS_SPACE + cmsgSpace(4));
  return { arena, message, view: arena.view };
}

function peerOf(address: string, port: number, local: string | null): PeerAddress {
  const peer = new PeerAddress();
  [peer.a0, peer.a1, peer.a2, peer.a3] = ipv6Words(address);
  peer.port = port;
  if (local !== null) {
    [peer.local0, peer.local1, peer.local2, peer.local3] = ipv6Words(local);
  }
  return peer;
}

for (
  const [address, local] of [
    ["2001:db8::7", "2001:db8::1"],
    ["2001:db8::7", null],
    ["::ffff:192.0.2.7", "::ffff:192.0.2.1"],
    ["::ffff:192.0.2.7", null],
  ] as const
) {
  for (const isV6 of address.startsWith("::ffff") ? [true, false] : [true]) {
    const socket = isV6 ? "a socket of both families" : "an IPv4 socket";
    Deno.test(`${address}, called at ${local}, by way of ${socket}`, () => {
      const { message, view } = setUp();
      const peer = peerOf(address, 40_000, local);
      const end = writePeer(message, view, peer, message.control, isV6);
      message.setControlLength(end - message.control);
      const read = new PeerAddress();
      readPeer(message, view, read);
      equal(read.equals(peer), true, read.toString());
      deepEqual(
        [read.local0, read.local1, read.local2, read.local3],
        [peer.local0, peer.local1, peer.local2, peer.local3],
      );
      equal(end === message.control, local === null, "no control data for what is not known");
    });
  }
}

Deno.test("the address is the one the kernel knows", () => {
  const { arena, message, view } = setUp();
  for (
    const [address, isV6, host] of [
      ["2001:db8::7", true, "2001:db8::7"],
      ["::ffff:192.0.2.7", false, "192.0.2.7"],
    ] as const
  ) {
    writePeer(message, view, peerOf(address, 40_000, null), message.control, isV6);
    const expected = encodeSockaddr(host, 40_000);
    equal(message.nameLength, expected.length);
    // What follows address and port is padding in IPv4.
    const compared = isV6 ? expected.length : 8;
    deepEqual(
      arena.bytes.slice(message.name, message.name + compared),
      expected.slice(0, compared),
    );
  }
});

Deno.test("what was read before leaves nothing behind", () => {
  const { message, view } = setUp();
  const read = new PeerAddress();
  const before = peerOf("2001:db8::7", 1, "2001:db8::1");
  before.scope = 3;
  message.setControlLength(
    writePeer(message, view, before, message.control, true) - message.control,
  );
  readPeer(message, view, read);
  equal(read.scope, 3);
  message.setControlLength(0);
  writePeer(message, view, peerOf("::ffff:192.0.2.7", 2, null), message.control, false);
  readPeer(message, view, read);
  deepEqual(
    [read.a0, read.a1, read.scope, read.local0, read.local1, read.local2, read.local3],
    [0, 0, 0, 0, 0, 0, 0],
  );
});
