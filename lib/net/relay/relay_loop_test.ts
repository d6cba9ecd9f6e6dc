import { equal, throws } from "node:assert/strict";
import { Libc } from "../../ffi/libc/libc.ts";
import { openLoopbackSocket } from "../../ffi/linux/socket.ts";
import type { RelayNotice } from "./message.ts";
import { RelayLoop } from "./relay_loop.ts";

const DESCRIPTORS = "/proc/self/fd";
const openDescriptors = () => [...Deno.readDirSync(DESCRIPTORS)].length;

Deno.test("RelayLoop that fails leaves no connection open, and says what failed", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const libc = Libc.open();
  const wakeFd = libc.eventfd();
  const { fd, gso } = openLoopbackSocket(libc);
  try {
    const before = openDescriptors();
    const notices: RelayNotice[] = [];
    const loop = new RelayLoop(libc, wakeFd, (notice) => void notices.push(notice));
    libc.signalEventfd(wakeFd);
    const fail = () =>
      loop.run((loop) => {
        for (const id of [1, 2]) {
          loop.obey({
            ...{ kind: "dial", id, device: null, address: "127.0.0.1", port, source: null },
            ...{ proxy: null, context: 0n, serverName: "", silenceMsMax: 1000 },
            socket: { fd, gso },
          });
        }
        equal(openDescriptors(), before + 3, "two connections and what waits for them");
        throw new Error("no memory");
      });
    throws(fail, /no memory/);
    equal(openDescriptors(), before);
    equal(notices.filter(({ kind }) => kind === "ended").length, 2);
  } finally {
    libc.closeFile(fd);
    libc.closeFile(wakeFd);
  }
});
