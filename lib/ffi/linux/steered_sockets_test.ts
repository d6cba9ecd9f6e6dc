/** Several sockets on one port: who gets which datagram, and who gets the port at all. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { Loopback, portOf } from "../../../testing/loopback.ts";
import { EADDRINUSE } from "../libc/errno.ts";
import { Libc } from "../libc/libc.ts";
import { openServerSocket } from "./socket.ts";
import { openSteeredSockets } from "./steered_sockets.ts";

const COUNT = 3;
const OFFSET = 2;

Deno.test("a datagram goes to the socket that its number names, whoever sends it", () => {
  using bench = new Loopback((libc, port) => openServerSocket(libc, port));
  const { libc } = bench;
  const sockets = openSteeredSockets(libc, 0, COUNT, OFFSET);
  const port = portOf(libc, sockets[0]!.fd);
  try {
    for (const server of ["127.0.0.1", "::1"]) {
      for (let sender = 0; sender < 5; sender++) {
        const { fd } = bench.connect(server, port);
        const numbers = [0, 1, 2, 3, 7, 0x80000001, 0xffffffff];
        for (const number of numbers) {
          const bytes = new Uint8Array(200);
          new DataView(bytes.buffer).setUint32(OFFSET, number);
          bench.send(fd, bytes);
        }
        const came = sockets.map((socket) =>
          bench.arrivals(socket.fd).flatMap(({ bytes, segment }) =>
            cut(bytes, segment).map((each) => new DataView(each.buffer).getUint32(OFFSET))
          )
        );
        const expected = sockets.map((_, index) => numbers.filter((n) => n % COUNT === index));
        deepEqual(came, expected);
      }
    }
    // One that is too short for a number goes to the first.
    const { fd } = bench.connect("127.0.0.1", port);
    bench.send(fd, Uint8Array.of(1, 2, 3));
    deepEqual(sockets.map((socket) => bench.arrivals(socket.fd).length), [1, 0, 0]);
  } finally {
    for (const { fd } of sockets) libc.closeFile(fd);
  }
});

Deno.test("a port that somebody has is refused, though both would share it", () => {
  const libc = Libc.open();
  const first = openSteeredSockets(libc, 0, 2, OFFSET);
  try {
    const port = portOf(libc, first[0]!.fd);
    throws(() => openSteeredSockets(libc, port, 2, OFFSET), { errno: EADDRINUSE });
    throws(() => openServerSocket(libc, port), { errno: EADDRINUSE });
  } finally {
    for (const { fd } of first) libc.closeFile(fd);
  }
  equal(first.length, 2);
});

function cut(bytes: Uint8Array<ArrayBuffer>, segment: number): Uint8Array<ArrayBuffer>[] {
  if (segment === 0) return [bytes];
  const pieces = [];
  for (let at = 0; at < bytes.length; at += segment) pieces.push(bytes.slice(at, at + segment));
  return pieces;
}
