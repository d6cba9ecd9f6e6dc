import { deepEqual, equal, ok } from "node:assert/strict";
import { Arena } from "../../ffi/memory/arena.ts";
import { Loopback } from "../../../testing/loopback.ts";
import { PollSet } from "./poll_set.ts";
import { SocketTable } from "./sockets.ts";

/** Two sockets of a client's, something to wake, and a socket that stands for the TUN device. */
class Bench implements Disposable {
  readonly server = new Loopback();
  readonly tun = new Loopback();
  readonly wakeFd = this.server.libc.eventfd();
  readonly table = new SocketTable(true, false);
  readonly poll: PollSet;
  readonly ports: number[] = [];
  readonly #arena = new Arena(4096);

  constructor() {
    for (let link = 0; link < 2; link++) {
      const { fd, gso, port } = this.server.connect();
      this.table.add({ fd, gso });
      this.ports.push(port);
    }
    this.poll = new PollSet(this.server.libc, this.#arena, this.wakeFd, this.tun.socket.fd);
    this.poll.watch(this.table);
  }

  /** Sends something to the TUN device's stand-in. */
  fillTun(): void {
    equal(this.server.libc.write(this.tun.connect().fd, this.#arena.address(0), 8n), 8);
  }

  [Symbol.dispose](): void {
    this.server.libc.closeFile(this.wakeFd);
    this.server[Symbol.dispose]();
    this.tun[Symbol.dispose]();
  }
}

Deno.test("nothing is ready, and the wait ends by itself, to the fraction of a millisecond", () => {
  using bench = new Bench();
  equal(bench.poll.wait(0.3, null, true), 0);
  equal(bench.poll.wait(0, null, true), 0);
  equal(bench.poll.wait(-5, null, true), 0);
  equal(bench.poll.sockets, 2);
});

Deno.test("only the sockets that are full are asked for room", () => {
  using bench = new Bench();
  // Both have room: only one of them is waited for.
  equal(bench.poll.wait(1000, (socket) => socket === 1, true), 1);
  ok(bench.poll.isWritable);
  deepEqual([0, 1].map((place) => bench.poll.isReadable(place)), [false, false]);
  equal(bench.poll.wait(0, () => false, true), 0, "a full device is nothing poll tells of");
  equal(bench.poll.wait(0, null, true), 0);
});

Deno.test("a TUN device that is left alone is not ready, whatever waits in it", () => {
  using bench = new Bench();
  bench.fillTun();
  equal(bench.poll.wait(0, null, false), 0);
  equal(bench.poll.wait(1000, null, true), 1);
  ok(bench.poll.isTunReadable && !bench.poll.isTunGone && !bench.poll.isWoken);
});

Deno.test("a pause ends early for the main thread alone", () => {
  using bench = new Bench();
  bench.fillTun();
  bench.poll.pause(0.2);
  bench.server.libc.signalEventfd(bench.wakeFd);
  bench.poll.pause(60_000);
  equal(bench.poll.wait(0, null, false), 1);
  ok(bench.poll.isWoken);
});

Deno.test("sockets that come and go are followed", () => {
  using bench = new Bench();
  bench.table.remove(0);
  bench.poll.watch(bench.table);
  equal(bench.poll.sockets, 1);
  equal(bench.poll.socket(0), 1);
});
