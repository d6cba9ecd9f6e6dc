import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { EADDRINUSE } from "../../ffi/libc/errno.ts";
import { Libc } from "../../ffi/libc/libc.ts";
import { DatagramSocket } from "./datagram_socket.ts";

const DATAGRAMS = 300;

function listen(): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
}

function freePort(): number {
  const connection = listen();
  connection.close();
  return (connection.addr as Deno.NetAddr).port;
}

function pathTo(port: number, server = "127.0.0.1") {
  return { id: 0, name: "lo", device: "lo", server, port };
}

Deno.test("datagrams leave in order, a full queue refuses more, and close() ends receiving", async () => {
  const libc = Libc.open();
  const port = freePort();
  const to = { transport: "udp" as const, hostname: "::ffff:127.0.0.1", port };
  const server = DatagramSocket.openServer(libc, port);
  const client = DatagramSocket.openServer(libc, freePort());
  let sent = 0;
  let taken = 0;
  for (let number = 0; number < DATAGRAMS; number++) {
    const datagram = new Uint8Array(8);
    new DataView(datagram.buffer).setUint32(0, number);
    const outgoing = {
      datagram,
      trafficClass: 0,
      to,
      sent: () => sent++,
      failed: (code: string) => equal(code, ""),
    };
    if (client.send(outgoing)) taken++;
  }
  ok(taken < DATAGRAMS);
  await client.whenSent();
  equal(sent, taken);
  const buffer = new Uint8Array(100);
  for (let number = 0; number < taken; number++) {
    equal((await server.receive(buffer))?.length, 8);
    equal(new DataView(buffer.buffer).getUint32(0), number);
  }
  const receiving = server.receive(buffer);
  server.close();
  equal(await receiving, null);
  equal(await server.receive(buffer), null);
  client.close();
  libc.unload();
});

for (const server of ["127.0.0.1", "::1"]) {
  Deno.test(`a path's socket to ${server} has the port that is wanted, or another that is free`, () => {
    const libc = Libc.open();
    const path = pathTo(freePort(), server);
    const open = (sourcePort?: number) => DatagramSocket.openPath(libc, { ...path, sourcePort });
    const first = open();
    const second = open(first.port);
    ok(second.port > 0 && second.port !== first.port, "the first has it");
    for (const socket of [first, second]) socket.close();
    const third = open(first.port);
    equal(third.port, first.port);
    third.close();
    libc.unload();
  });
}

Deno.test("a datagram that cannot be sent is told by the kernel's name of the error", async () => {
  const libc = Libc.open();
  const socket = DatagramSocket.openServer(libc, freePort());
  const codes: string[] = [];
  const failed = (code: string) => void codes.push(code);
  const sent = () => codes.push("sent");
  const to = { transport: "udp" as const, hostname: "::1", port: freePort() };
  socket.send({ datagram: new Uint8Array(70_000), to, trafficClass: 0, sent, failed });
  socket.send({ datagram: new Uint8Array(7), to, trafficClass: 0, sent, failed });
  await socket.whenSent();
  deepEqual(codes, ["EMSGSIZE", "sent"]);
  socket.close();
  libc.unload();
});

Deno.test("a server's port that is taken is refused", () => {
  const libc = Libc.open();
  const port = freePort();
  const socket = DatagramSocket.openServer(libc, port);
  throws(() => DatagramSocket.openServer(libc, port), {
    name: "SyscallError",
    errno: EADDRINUSE,
    message: `Cannot listen on UDP port ${port}: EADDRINUSE, address in use`,
  });
  socket.close();
  libc.unload();
});

Deno.test({
  name: "a path's socket is bound to its interface and hears the server alone",
  ignore: Deno.uid() !== 0,
  async fn() {
    const libc = Libc.open();
    const server = listen();
    const to = server.addr as Deno.NetAddr;
    const path = pathTo(to.port);
    const socket = DatagramSocket.openPath(libc, { ...path, source: "127.0.0.2" });
    socket.send({ datagram: new Uint8Array([1]), to, trafficClass: 0, sent() {}, failed() {} });
    const [, from] = await server.receive();
    equal((from as Deno.NetAddr).hostname, "127.0.0.2");
    const stranger = listen();
    await stranger.send(new Uint8Array([2]), from);
    await server.send(new Uint8Array([3]), from);
    const buffer = new Uint8Array(10);
    equal((await socket.receive(buffer))?.length, 1);
    equal(buffer[0], 3);
    throws(() => DatagramSocket.openPath(libc, { ...path, device: "none0" }), /interface none0/);
    throws(
      () => DatagramSocket.openPath(libc, { ...path, source: "192.0.2.1" }),
      /Cannot bind a socket to 192\.0\.2\.1: EADDRNOTAVAIL/,
    );
    stranger.close();
    socket.close();
    server.close();
    await rejects(server.receive());
    libc.unload();
  },
});

Deno.test({
  name: "what became of a datagram sent before is not held against the next one",
  ignore: Deno.uid() !== 0,
  async fn() {
    const libc = Libc.open();
    const port = freePort();
    const socket = DatagramSocket.openPath(libc, pathTo(port));
    const to = { transport: "udp" as const, hostname: "127.0.0.1", port };
    const codes: string[] = [];
    const send = async (number: number) => {
      const failed = (code: string) => void codes.push(code);
      socket.send({
        datagram: new Uint8Array([number]),
        trafficClass: 0,
        to,
        sent: () => codes.push("sent"),
        failed,
      });
      await socket.whenSent();
    };
    await send(1);
    const server = Deno.listenDatagram(to);
    await send(2);
    deepEqual(codes, ["sent", "sent"]);
    deepEqual((await server.receive())[0], new Uint8Array([2]));
    socket.close();
    server.close();
    libc.unload();
  },
});

Deno.test({
  name: "a socket with much to send is busy until that has left",
  ignore: Deno.uid() !== 0,
  async fn() {
    const libc = Libc.open();
    const server = listen();
    const to = server.addr as Deno.NetAddr;
    const path = pathTo(to.port);
    const socket = DatagramSocket.openPath(libc, path);
    let taken = 0;
    const put = () =>
      socket.send({ datagram: new Uint8Array(1), to, trafficClass: 0, sent() {}, failed() {} });
    for (taken = 0; !socket.isBusy; taken++) equal(put(), true);
    while (put()) taken++;
    ok(taken > 200 && taken < 300, `${taken} datagrams at a time`);
    await socket.whenSent();
    equal(socket.isBusy, false);
    socket.close();
    server.close();
    libc.unload();
  },
});
