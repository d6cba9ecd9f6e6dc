import { equal, ok } from "node:assert/strict";
import { Libc } from "../libc/libc.ts";
import { collectGarbage } from "./garbage.ts";

const MIB = 1024 * 1024;
const LOOKS_MAX = 200;
const LOOK_EVERY_MS = 10;

const turn = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

function weakGarbage(): WeakRef<object> {
  return new WeakRef({ some: "thing" });
}

/** Blocks too small for mappings of their own, which the allocator keeps when they are freed. */
function fillMemory(bytes: number): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i < bytes / 65_536; i++) blocks.push(new Uint8Array(65_536).fill(1));
  return blocks;
}

Deno.test("collectGarbage: what nobody uses is gone", async () => {
  const garbage = weakGarbage();
  await turn(); // until then, a weak reference holds what it has just been made of
  ok(garbage.deref());
  await turn();
  collectGarbage();
  equal(garbage.deref(), undefined);
});

Deno.test("trimMemory: what has been freed goes back to the system", async () => {
  const libc = Libc.open();
  let blocks = fillMemory(64 * MIB);
  const before = Deno.memoryUsage().rss;
  // Every hundredth stays, so the end of the heap cannot go back by itself.
  blocks = blocks.filter((_, index) => index % 100 === 99);
  await turn();
  collectGarbage();
  let after = before;
  for (let looks = 0; looks < LOOKS_MAX && after > before - 48 * MIB; looks++) {
    libc.trimMemory();
    after = Deno.memoryUsage().rss;
    await turn(LOOK_EVERY_MS); // the runtime frees in another thread
  }
  ok(after < before - 48 * MIB, `${before / MIB} -> ${after / MIB} MiB`);
  ok(blocks.length > 0);
  libc.unload();
});
