/** The thread's loop with sockets of its own, in this thread: it is told to end by its wake-up. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { Libc } from "../../ffi/libc/libc.ts";
import { openPathSocket, openServerSocket } from "../../ffi/linux/socket.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { TYPE_CONTROL, TYPE_HANDSHAKE, TYPE_HEARTBEAT } from "../../protocol/wire/header.ts";
import { Loopback, portOf } from "../../../testing/loopback.ts";
import type { EngineEvent, EngineSession } from "../engine.ts";
import { Loop } from "./loop.ts";

const OFFSET_TYPE = 1;

function session(id: number, more: Partial<EngineSession> = {}): EngineSession {
  return {
    ...{ role: "client", id, key: new Uint8Array(32).fill(id), x1: true, name: `client ${id}` },
    ...{ ipv4: `10.8.0.${id + 1}`, ipv6: `fd00:8::${id + 1}`, mtu: 1400 },
    ...{ reorderBufferSize: 16, reorderFlushTimeoutMs: 50, tuning: DEFAULT_TUNING },
    ...more,
  };
}

/** A client's loop, and the server's socket that it sends to. */
class Bench implements Disposable {
  readonly server = new Loopback();
  readonly tun = new Loopback();
  readonly libc = Libc.open();
  readonly events: EngineEvent[] = [];
  readonly closed: number[] = [];
  readonly wakeFd = this.libc.eventfd();
  readonly loop: Loop;
  /** What the loop is to do at each wake-up; it ends when nothing is left. */
  readonly steps: ((loop: Loop) => void)[] = [];
  #sends = 0;

  /** @param wakeAfterSends when the loop wakes itself. */
  constructor(wakeAfterSends: readonly number[] = []) {
    const { libc } = this;
    const [sendmsg, closeFile] = [libc.sendmsg.bind(libc), libc.closeFile.bind(libc)];
    libc.sendmsg = (...args) => {
      if (wakeAfterSends.includes(++this.#sends)) libc.signalEventfd(this.wakeFd);
      return sendmsg(...args);
    };
    libc.closeFile = (fd) => {
      this.closed.push(fd);
      closeFile(fd);
    };
    this.loop = new Loop(libc, {
      tun: { fd: this.tun.connect().fd, name: "tun", vnetHeader: false, udpSegments: false },
      wakeFd: this.wakeFd,
      sharedSocket: null,
      drops: new Float64Array(DropCounters.BYTES / 8),
      emit: (event) => void this.events.push(event),
      handleMessages: (loop) => {
        const step = this.steps.shift();
        step?.(loop);
        return step !== undefined;
      },
    });
    libc.signalEventfd(this.wakeFd);
  }

  openSocket(port = this.server.port) {
    const path = { device: "lo", server: "127.0.0.1", port };
    const { fd, gso } = openPathSocket(this.libc, path);
    return { fd, gso };
  }

  /** The types of the records that have come to the server. */
  types(): number[] {
    return this.server.arrivals().map(({ bytes }) => bytes[OFFSET_TYPE]!);
  }

  [Symbol.dispose](): void {
    this.server[Symbol.dispose]();
    this.tun[Symbol.dispose]();
    this.libc.closeFile(this.wakeFd);
  }
}

Deno.test({
  name: "a path that is added greets the server; the end of the loop closes its socket",
  ignore: Deno.uid() !== 0,
  fn() {
    using bench = new Bench([2]);
    const socket = bench.openSocket();
    bench.steps.push((loop) => {
      loop.openSession(session(1));
      loop.addPath({ session: 1, id: 0, name: "lo", family: 4, socket });
    });
    bench.loop.run();
    equal(bench.loop.report()[0]?.paths[0]?.state, "probing");
    bench.loop.close();
    const types = bench.types();
    ok(types.includes(TYPE_HANDSHAKE) && types.includes(TYPE_HEARTBEAT), `${types}`);
    equal(types.includes(TYPE_CONTROL), false, "nothing else to a server that has not answered");
    deepEqual(bench.closed, [socket.fd]);
    deepEqual(bench.events, []);
  },
});

Deno.test({
  name: "a path of no session, and one whose place is taken, give their sockets back",
  ignore: Deno.uid() !== 0,
  fn() {
    using bench = new Bench();
    const [first, second, third] = [bench.openSocket(), bench.openSocket(), bench.openSocket()];
    bench.steps.push((loop) => {
      loop.openSession(session(1));
      loop.addPath({ session: 2, id: 0, name: "lo", family: 4, socket: first });
      loop.addPath({ session: 1, id: 0, name: "lo", family: 4, socket: second });
      loop.addPath({ session: 1, id: 0, name: "lo", family: 4, socket: third });
      deepEqual(bench.closed, [first.fd, third.fd]);
      loop.removePath(1, 0);
      deepEqual(bench.closed, [first.fd, third.fd, second.fd]);
      bench.libc.signalEventfd(bench.wakeFd);
    });
    bench.loop.run();
    bench.loop.close();
    equal(bench.closed.length, 3, "each once");
  },
});

Deno.test({
  name: "a session that cannot be opened, and a path too many, end that session alone",
  ignore: Deno.uid() !== 0,
  fn() {
    using bench = new Bench();
    const key = new Uint8Array(31).fill(7);
    bench.steps.push((loop) => {
      loop.openSession(session(1));
      loop.openSession(session(2, { key }));
      loop.openSession(session(3));
      for (let id = 0; id < 65; id++) {
        loop.addPath({ session: 3, id, name: "lo", family: 4, socket: bench.openSocket() });
      }
      bench.libc.signalEventfd(bench.wakeFd);
    });
    bench.loop.run();
    ok(key.every((byte) => byte === 0), "its key is wiped all the same");
    deepEqual(bench.events.map(({ kind }) => kind), ["session failed", "session failed"]);
    deepEqual(
      bench.events.map((event) => event.kind === "session failed" ? event.session : 0),
      [2, 3],
    );
    deepEqual(bench.loop.report().map(({ id }) => id), [1]);
    equal(bench.closed.length, 65, "every socket of it is closed");
    bench.loop.close();
  },
});

Deno.test("a TUN device that is gone ends the loop", () => {
  using bench = new Bench();
  // Nobody listens there, so the kernel reports an error on the socket that stands for the device.
  const { libc } = bench;
  const away = openServerSocket(libc, 0);
  const port = portOf(libc, away.fd);
  libc.closeFile(away.fd);
  const { fd } = openPathSocket(libc, { device: "lo", server: "127.0.0.1", port });
  const loop = new Loop(libc, {
    tun: { fd, name: "tun", vnetHeader: false, udpSegments: false },
    wakeFd: bench.wakeFd,
    sharedSocket: null,
    drops: new Float64Array(DropCounters.BYTES / 8),
    emit: () => {},
    handleMessages: () => {
      libc.signalEventfd(fd);
      return true;
    },
  });
  throws(() => loop.run(), /the TUN device is gone/);
  libc.closeFile(fd);
  loop.close();
});
