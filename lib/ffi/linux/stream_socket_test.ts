import { deepEqual, equal, throws } from "node:assert/strict";
import { Libc } from "../libc/libc.ts";
import { SyscallError } from "../libc/errno.ts";
import { pinnedBytes } from "../memory/arena.ts";
import { Epoll, EPOLLIN, EPOLLOUT } from "./epoll.ts";
import { beginConnect, connectResult, takeOver, tuneStream } from "./stream_socket.ts";

const libc = Libc.open();

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`a connection taken over goes on when the runtime has closed it (${hostname})`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const [near, far] = await Promise.all([
      Deno.connect({ hostname, port }),
      listener.accept(),
    ]);
    const fd = takeOver(libc, far);
    far.close();
    try {
      const { bytes, address } = pinnedBytes(16);
      bytes.set([1, 2, 3]);
      equal(libc.write(fd, address, 3n), 3);
      const into = new Uint8Array(16);
      equal(await near.read(into), 3);
      deepEqual([...into.subarray(0, 3)], [1, 2, 3]);
      await near.write(Uint8Array.of(9, 8));
      using epoll = new Epoll(libc);
      epoll.add(fd, 5, EPOLLIN);
      equal(epoll.wait(5000), 1);
      equal(epoll.keyAt(0), 5);
      equal(epoll.eventsAt(0), EPOLLIN);
      equal(libc.read(fd, address, 16n), 2);
      epoll.change(fd, 6, EPOLLIN | EPOLLOUT);
      equal(epoll.wait(5000), 1);
      deepEqual([epoll.keyAt(0), epoll.eventsAt(0)], [6, EPOLLOUT]);
      epoll.remove(fd);
      equal(epoll.wait(0), 0);
    } finally {
      libc.closeFile(fd);
    }
    // Only now is it over for the other side.
    equal(await near.read(new Uint8Array(1)), null);
    near.close();
  });
}

Deno.test("a socket connects in its own time, and tells why it could not", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const target = { device: "lo", address: "127.0.0.1", port, source: "127.0.0.1" };
  using epoll = new Epoll(libc);
  const connect = () => {
    const fd = beginConnect(libc, target);
    tuneStream(libc, fd);
    epoll.add(fd, 1, EPOLLOUT);
    epoll.wait(5000);
    const errno = connectResult(libc, fd);
    epoll.remove(fd);
    libc.closeFile(fd);
    return errno;
  };
  equal(connect(), 0);
  listener.close();
  equal(connect(), 111);
  throws(() => beginConnect(libc, { ...target, device: "none0" }), SyscallError);
});
