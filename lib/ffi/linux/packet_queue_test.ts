import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { Libc } from "../libc/libc.ts";
import { PacketQueue, readPacket } from "./packet_queue.ts";

/** A message of the kernel: header, family, then attributes. */
function message(type: number, ...attributes: readonly (readonly [number, number[]])[]) {
  const bytes = [...new Array(20).fill(0)];
  bytes[4] = type & 0xff;
  bytes[5] = type >> 8;
  for (const [kind, value] of attributes) {
    const length = 4 + value.length;
    bytes.push(length & 0xff, length >> 8, kind, 0, ...value);
    while (bytes.length % 4 !== 0) bytes.push(0);
  }
  return new Uint8Array(bytes);
}

Deno.test("a packet is read with its number, whatever stands between", () => {
  const packet = readPacket(
    message(0x300, [9, [1, 2, 3]], [1, [0, 0, 1, 2, 8, 0, 1]], [10, [0x45, 1, 2, 3, 4]]),
  );
  equal(packet?.id, 258);
  deepEqual([...packet!.bytes], [0x45, 1, 2, 3, 4]);
});

Deno.test("other messages are none, and cut ones never throw", () => {
  equal(readPacket(message(2)), null);
  equal(readPacket(message(0x300)), null);
  equal(readPacket(message(0x300, [1, [0, 0]])), null);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    readPacket(bytes);
    readPacket(new Uint8Array([...message(0x300), ...bytes]));
  }));
});

Deno.test({
  name: "a queue is opened once, and can be had again when it is closed",
  ignore: Deno.uid() !== 0,
  fn() {
    const libc = Libc.open();
    const number = 40_000 + Deno.pid % 20_000;
    const queue = new PacketQueue(libc, number);
    throws(() => new PacketQueue(libc, number), /Cannot open queue \d+ of packets/);
    equal(queue.receive(), null);
    queue.close();
    new PacketQueue(libc, number).close();
  },
});
