import { deepEqual, equal, throws } from "node:assert/strict";
import { SOCKETS_MAX } from "../engine.ts";
import { SocketTable } from "./sockets.ts";

Deno.test("sockets keep their numbers, and a number that is free is given again", () => {
  const table = new SocketTable(true, false);
  const numbers = [10, 11, 12].map((fd) => table.add({ fd, gso: true }));
  deepEqual(numbers, [0, 1, 2]);
  table.remove(1);
  deepEqual([...table.entries()].map(([number, { fd }]) => [number, fd]), [[0, 10], [2, 12]]);
  equal(table.add({ fd: 13, gso: false }), 1);
  deepEqual([table.get(0).fd, table.get(1).fd, table.get(2).fd], [10, 13, 12]);
});

Deno.test("one socket too many is refused", () => {
  const table = new SocketTable(true, false);
  for (let fd = 0; fd < SOCKETS_MAX; fd++) table.add({ fd, gso: true });
  throws(() => table.add({ fd: 99, gso: true }), /Cannot use more sockets/);
  table.remove(5);
  equal(table.add({ fd: 99, gso: true }), 5);
});
