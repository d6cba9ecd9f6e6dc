import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { Arena, pinnedBytes, setAddress } from "./arena.ts";

/** What C would see at an address. */
function bytesAt(address: bigint, length: number): Uint8Array {
  const pointer = Deno.UnsafePointer.create(address)!;
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

Deno.test("the address of each byte is where C finds it", () => {
  const arena = new Arena(1000);
  for (let offset = 0; offset < 1000; offset++) arena.bytes[offset] = offset * 31;
  for (const offset of [0, 1, 63, 999]) {
    deepEqual(bytesAt(arena.address(offset), 1), arena.bytes.subarray(offset, offset + 1));
  }
  arena.view.setUint16(10, 0xbeef);
  equal(bytesAt(arena.address(10), 2).toHex(), "beef");
});

Deno.test("an address written for the kernel is the one passed to it", () => {
  const arena = new Arena(64);
  setAddress(arena.view, 8, arena.origin + 33);
  equal(arena.view.getBigUint64(8, true), arena.address(33));
});

Deno.test("pinned bytes stay where they are, however few", () => {
  const memory = pinnedBytes(8);
  equal(memory.bytes.length, 8);
  memory.bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
  const garbage = [];
  for (let i = 0; i < 200_000; i++) garbage.push(new Uint8Array(8));
  equal(garbage.length, 200_000);
  equal(bytesAt(memory.address, 8).toHex(), "0102030405060708");
});

Deno.test("regions do not overlap, and start at multiples of 16", () => {
  const arena = new Arena(4096);
  let end = 0;
  for (const length of [1, 16, 17, 0, 100, 1]) {
    const offset = arena.reserve(length);
    equal(offset % 16, 0);
    ok(offset >= end);
    end = offset + length;
  }
});

Deno.test("a full arena and an address outside are refused", () => {
  const arena = new Arena(64);
  arena.reserve(60);
  throws(() => arena.reserve(1), /Cannot reserve 1 bytes: 0 of the arena are left/);
  throws(() => new Arena(64).reserve(65), /Cannot reserve 65 bytes: 64 of the arena are left/);
  for (const offset of [-1, 64, 0.5]) throws(() => arena.address(offset), /Cannot address byte/);
});
