import { equal, throws } from "node:assert/strict";
import { Libc } from "../../ffi/libc/libc.ts";
import { bindToDevice, connectSocket, socketDescriptor } from "./socket_descriptor.ts";

function listen(hostname: string): Deno.DatagramConn & Disposable {
  const connection = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  return Object.assign(connection, { [Symbol.dispose]: () => connection.close() });
}

const net = (connection: Deno.DatagramConn) => connection.addr as Deno.NetAddr;

for (const hostname of ["127.0.0.1", "0.0.0.0", "::1", "::"]) {
  Deno.test(`socketDescriptor() finds a UDP socket bound to ${hostname}`, async () => {
    const libc = Libc.open();
    using peer = listen(hostname.includes(":") ? "::1" : "127.0.0.1");
    using connection = listen(hostname);
    const fd = socketDescriptor(libc, net(connection));
    // A socket connected through the descriptor hears its peer alone: it is the right one.
    const to = net(peer);
    connectSocket(libc, fd, to.hostname, to.port);
    const local = hostname === "::" ? "::1" : hostname === "0.0.0.0" ? "127.0.0.1" : hostname;
    using stranger = listen(local);
    const address = { ...net(connection), hostname: local };
    await stranger.send(new Uint8Array([1]), address);
    await peer.send(new Uint8Array([2]), address);
    equal((await connection.receive())[0][0], 2);
    libc.unload();
  });
}

Deno.test("socketDescriptor() takes no TCP listener of the same address for it", () => {
  const libc = Libc.open();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const address = { transport: "udp" as const, hostname: "127.0.0.1", port };
  throws(() => socketDescriptor(libc, address), /Cannot find the descriptor .* 0 of/);
  libc.unload();
});

Deno.test("socketDescriptor() does not find a socket that is closed", () => {
  const libc = Libc.open();
  const connection = listen("127.0.0.1");
  connection.close();
  throws(() => socketDescriptor(libc, net(connection)), /Cannot find the descriptor/);
  libc.unload();
});

Deno.test("bindToDevice() refuses an interface that is not there", () => {
  const libc = Libc.open();
  using connection = listen("127.0.0.1");
  const fd = socketDescriptor(libc, net(connection));
  throws(
    () => bindToDevice(libc, fd, "nosuchdevice"),
    /Cannot bind a socket to interface nosuchdevice: E(NODEV|PERM)/,
  );
  libc.unload();
});
