import { deepEqual, equal } from "node:assert/strict";
import { Arena } from "../memory/arena.ts";
import { cmsgSpace, MessageBuffer } from "./message.ts";

const SOL_UDP = 17, UDP_SEGMENT = 103, SOL_IPV6 = 41, IPV6_PKTINFO = 50;
/** What <sys/socket.h> makes of a UDP_SEGMENT of 1400 and an IPV6_PKTINFO of ::1 on interface 2. */
const SEGMENT = "1200000000000000" + "1100000067000000" + "7805" + "000000000000";
const PKTINFO = "2400000000000000" + "2900000032000000" +
  "00000000000000000000000000000001" + "02000000" + "00000000";

function setUp(controlCapacity = 128) {
  const arena = new Arena(1024);
  return { arena, message: new MessageBuffer(arena, controlCapacity) };
}

Deno.test("cmsgSpace() is CMSG_SPACE", () => {
  deepEqual([0, 1, 2, 4, 8, 9, 20].map(cmsgSpace), [16, 24, 24, 24, 24, 32, 40]);
});

Deno.test("the struct msghdr is laid out as the kernel reads it", () => {
  const { arena, message } = setUp();
  message.setNameLength(16);
  message.setControlLength(40);
  message.setData(500, 70_000);
  const view = arena.view;
  const header = Number(message.address) - arena.origin;
  const address = (at: number) => Number(view.getBigUint64(header + at, true)) - arena.origin;
  equal(address(0), message.name);
  equal(view.getBigUint64(header + 8, true) & 0xffffffffn, 16n);
  equal(view.getBigUint64(header + 24, true), 1n);
  equal(address(32), message.control);
  equal(view.getBigUint64(header + 40, true), 40n);
  const iovec = address(16);
  equal(view.getBigUint64(iovec, true), arena.address(500));
  equal(view.getBigUint64(iovec + 8, true), 70_000n);
  deepEqual([message.nameLength, message.controlLength], [16, 40]);
});

Deno.test("writeCmsg() writes what C macros would", () => {
  const { arena, message } = setUp();
  const segment = message.writeCmsg(message.control, SOL_UDP, UDP_SEGMENT, 2);
  arena.view.setUint16(segment, 1400, true);
  const info = message.writeCmsg(message.control + cmsgSpace(2), SOL_IPV6, IPV6_PKTINFO, 20);
  arena.view.setUint8(info + 15, 1);
  arena.view.setUint32(info + 16, 2, true);
  const written = arena.bytes.subarray(message.control, message.control + 64);
  equal(written.toHex(), SEGMENT + PKTINFO);
});

Deno.test("findCmsg() finds each message, and only within the control data", () => {
  const { arena, message } = setUp();
  arena.bytes.set(Uint8Array.fromHex(SEGMENT + PKTINFO), message.control);
  message.setControlLength(64);
  equal(message.findCmsg(SOL_UDP, UDP_SEGMENT), message.control + 16);
  equal(message.findCmsg(SOL_IPV6, IPV6_PKTINFO), message.control + 40);
  equal(message.findCmsg(SOL_UDP, 104), -1);
  for (const length of [0, 24, 39, 40, 59]) {
    message.setControlLength(length);
    equal(message.findCmsg(SOL_IPV6, IPV6_PKTINFO), -1);
  }
});

Deno.test("findCmsg() gives up on a length that cannot be", () => {
  const { arena, message } = setUp();
  arena.bytes.set(Uint8Array.fromHex(SEGMENT + PKTINFO), message.control);
  message.setControlLength(64);
  for (const length of [0, 15, 0xffffffff, 0x7ffffff8]) {
    arena.view.setUint32(message.control, length, true);
    equal(message.findCmsg(SOL_IPV6, IPV6_PKTINFO), -1);
  }
});
