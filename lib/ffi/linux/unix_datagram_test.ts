import { deepEqual, equal, throws } from "node:assert/strict";
import { join } from "node:path";
import { Libc } from "../libc/libc.ts";
import { encodeUnixAddress, UnixDatagrams } from "./unix_datagram.ts";

Deno.test("a datagram arrives whole at a path, and later at another socket behind it", async () => {
  const libc = Libc.open();
  const folder = await Deno.makeTempDir();
  const path = join(folder, "socket");
  const datagrams = new UnixDatagrams(libc, path);
  equal(datagrams.send(new Uint8Array([1])), false, "nobody listens");
  for (const text of ["first", "x".repeat(60_000)]) {
    const socket = Deno.listenDatagram({ transport: "unixpacket", path });
    equal(datagrams.send(new TextEncoder().encode(text)), true);
    equal(new TextDecoder().decode((await socket.receive(new Uint8Array(70_000)))[0]), text);
    socket.close();
    await Deno.remove(path);
  }
  equal(datagrams.send(new Uint8Array(70_000)), false, "too large");
  await Deno.remove(folder, { recursive: true });
  libc.unload();
});

Deno.test("encodeUnixAddress() writes struct sockaddr_un for paths and abstract names", () => {
  deepEqual([...encodeUnixAddress("/a")], [1, 0, 47, 97, 0]);
  deepEqual([...encodeUnixAddress("@a")], [1, 0, 0, 97]);
  for (const wrong of ["", "a", `/${"a".repeat(107)}`, "/a\0b"]) {
    throws(() => encodeUnixAddress(wrong), RangeError, wrong);
  }
});
