/** Socket addresses, and sockets on the loopback interface as the data plane uses them. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { EADDRINUSE, EAGAIN, ENODEV } from "../libc/errno.ts";
import { Libc } from "../libc/libc.ts";
import { Arena } from "../memory/arena.ts";
import { cmsgSpace, MessageBuffer } from "./message.ts";
import {
  AF_INET6,
  encodeSockaddr,
  IPV6_PKTINFO,
  MSG_DONTWAIT,
  openPathSocket,
  openServerSocket,
  SOL_IPV6,
  SOL_UDP,
  UDP_GRO,
  UDP_SEGMENT,
} from "./socket.ts";

/** The message lies before `DATA`. */
const DATA = 1024, RECEIVED = 71_024, ARENA = 140_000;

Deno.test("encodeSockaddr() makes a struct sockaddr_in or sockaddr_in6", () => {
  equal(encodeSockaddr("192.0.2.1", 8000).toHex(), "02001f40c00002010000000000000000");
  equal(encodeSockaddr("255.255.255.255", 65535).toHex(), "0200ffffffffffff0000000000000000");
  equal(
    encodeSockaddr("2001:db8::7", 8000).toHex(),
    "0a001f4000000000" + "20010db8000000000000000000000007" + "00000000",
  );
  equal(
    encodeSockaddr("fe80::1", 1, 3).toHex(),
    "0a00000100000000" + "fe800000000000000000000000000001" + "03000000",
  );
  for (const host of ["", "localhost", "10.8.0", "10.8.0.1/24", "::1/64"]) {
    throws(() => encodeSockaddr(host, 1), /it is no IP address/);
  }
});

/** A server socket and a client's socket that is connected to it. */
class Pair implements Disposable {
  readonly libc = Libc.open();
  readonly arena = new Arena(ARENA);
  readonly message = new MessageBuffer(this.arena, 256);
  readonly server = openServerSocket(this.libc, 0);
  readonly port = new DataView(this.libc.socketName(this.server.fd).buffer).getUint16(2);
  readonly client;

  constructor(host: string) {
    this.client = openPathSocket(this.libc, { device: "lo", server: host, port: this.port });
  }

  /** Sends `length` bytes, cut into datagrams of `segment` where it is not 0. */
  send(length: number, segment: number): number {
    const { arena, message, libc } = this;
    message.setData(DATA, length);
    message.setNameLength(0);
    message.setControlLength(0);
    if (segment > 0) {
      const data = message.writeCmsg(message.control, SOL_UDP, UDP_SEGMENT, 2);
      arena.view.setUint16(data, segment, true);
      message.setControlLength(cmsgSpace(2));
    }
    return libc.sendmsg(this.client.fd, message.address, MSG_DONTWAIT);
  }

  /** What one receive gives: its length and what the kernel says of it. */
  receive(): { length: number; segment: number; local: string; family: number } {
    const { arena, message, libc } = this;
    message.setData(RECEIVED, 65_535);
    message.setNameLength(28);
    message.setControlLength(256);
    const length = libc.recvmsg(this.server.fd, message.address, MSG_DONTWAIT);
    const gro = length < 0 ? -1 : message.findCmsg(SOL_UDP, UDP_GRO);
    const local = length < 0 ? -1 : message.findCmsg(SOL_IPV6, IPV6_PKTINFO);
    return {
      length,
      segment: gro < 0 ? 0 : arena.view.getUint16(gro, true),
      local: local < 0 ? "" : arena.bytes.subarray(local, local + 16).toHex(),
      family: arena.view.getUint16(message.name, true),
    };
  }

  [Symbol.dispose](): void {
    this.libc.closeFile(this.client.fd);
    this.libc.closeFile(this.server.fd);
  }
}

for (
  const [host, local] of [
    ["127.0.0.1", "00000000000000000000ffff7f000001"],
    ["127.0.0.2", "00000000000000000000ffff7f000002"],
    ["::1", "00000000000000000000000000000001"],
  ] as const
) {
  Deno.test(`one send of many datagrams arrives in one receive, at ${host}`, () => {
    using pair = new Pair(host);
    ok(pair.server.isV6);
    const sent = pair.arena.bytes.subarray(DATA, DATA + 9 * 1400 + 33);
    for (const index of sent.keys()) sent[index] = index * 11;
    if (!pair.client.gso) return;
    equal(pair.send(sent.length, 1400), sent.length);
    let received = 0;
    while (received < sent.length) {
      const { length, segment, local: at, family } = pair.receive();
      ok(length > 0, `errno ${-length}`);
      if (length > 1400) equal(segment, 1400);
      deepEqual([at, family], [local, AF_INET6]);
      const bytes = pair.arena.bytes.subarray(RECEIVED, RECEIVED + length);
      deepEqual(bytes, sent.subarray(received, received + length));
      received += length;
    }
    equal(pair.receive().length, -EAGAIN);
  });
}

Deno.test("a single datagram comes without a segment size", () => {
  using pair = new Pair("127.0.0.1");
  equal(pair.send(100, 0), 100);
  const { length, segment } = pair.receive();
  deepEqual([length, segment], [100, 0]);
});

Deno.test("a port that is taken, and an interface that is not there, are named", () => {
  using pair = new Pair("127.0.0.1");
  throws(() => openServerSocket(pair.libc, pair.port), (error: Error & { errno: number }) => {
    equal(error.errno, EADDRINUSE);
    equal(error.message, `Cannot listen on UDP port ${pair.port}: EADDRINUSE, address in use`);
    return true;
  });
  const open = (device: string, server: string) => () =>
    openPathSocket(pair.libc, { device, server, port: 1 });
  throws(open("none0", "127.0.0.1"), { errno: ENODEV });
  throws(open("lo", "server.example"), /it is no IP address/);
});

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`a path's socket to ${host} has the port that is wanted, or another that is free`, () => {
    using pair = new Pair(host);
    const open = (sourcePort?: number) =>
      openPathSocket(pair.libc, { device: "lo", server: host, port: pair.port, sourcePort });
    const first = open();
    const second = open(first.sourcePort);
    ok(second.sourcePort > 0 && second.sourcePort !== first.sourcePort, "the first has it");
    for (const { fd } of [first, second]) pair.libc.closeFile(fd);
    const third = open(first.sourcePort);
    equal(third.sourcePort, first.sourcePort);
    pair.libc.closeFile(third.fd);
  });
}

Deno.test("a socket that could not be set up is closed", async () => {
  // In a process of its own, whose descriptors are nobody else's.
  const code = `
    import { Libc } from ${JSON.stringify(import.meta.resolve("../libc/libc.ts"))};
    import * as sockets from ${JSON.stringify(import.meta.resolve("./socket.ts"))};
    const libc = Libc.open();
    const { fd } = sockets.openServerSocket(libc, 0);
    const port = new DataView(libc.socketName(fd).buffer).getUint16(2);
    const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = open();
    for (let attempt = 0; attempt < 5; attempt++) {
      try { sockets.openServerSocket(libc, port); } catch { /* taken */ }
      const path = { device: "none0", server: "::1", port: 1 };
      try { sockets.openPathSocket(libc, path); } catch { /* no such device */ }
    }
    console.log(open() - before);`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--ext=ts", code],
  }).output();
  equal(new TextDecoder().decode(stdout).trim(), "0", new TextDecoder().decode(stderr));
});

Deno.test("a source that is prescribed is where a path's packets come from", () => {
  using pair = new Pair("127.0.0.1");
  const { libc, port } = pair;
  const source = "127.0.0.9";
  const { fd } = openPathSocket(libc, { device: "lo", server: "127.0.0.1", port, source });
  equal(libc.socketName(fd).subarray(4, 8).toHex(), "7f000009");
  libc.closeFile(fd);
});
