import { deepEqual, equal } from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { TemporaryDirectory } from "../../../testing/pki/temporary_directory.ts";
import { Libc } from "../libc/libc.ts";
import { peerCredentials } from "./peer_credentials.ts";

Deno.test("the kernel tells who is at the other end of a unix socket", async () => {
  await using directory = await TemporaryDirectory.create();
  const libc = Libc.open();
  const server = createServer();
  server.listen(`${directory.path}/socket`);
  await once(server, "listening");
  const near = connect(`${directory.path}/socket`);
  const [far] = await once(server, "connection") as [Socket];
  deepEqual(peerCredentials(libc, far), {
    processId: Deno.pid,
    userId: Deno.uid(),
    groupId: Deno.gid(),
  });
  const closed = [once(near, "close"), once(far, "close"), once(server, "close")];
  near.destroy();
  far.destroy();
  server.close();
  await Promise.all(closed);
  libc.unload();
});

Deno.test("a connection whose descriptor is not known is of nobody", () => {
  const libc = Libc.open();
  equal(peerCredentials(libc, {} as Socket), null);
  libc.unload();
});
