import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { Arena } from "../memory/arena.ts";
import { EAGAIN, EBADF, EINVAL, ENOENT, errnoName, SyscallError } from "./errno.ts";
import { Libc } from "./libc.ts";

const POLLIN = 1;

Deno.test("a call that fails says what could not be done, and why", () => {
  const libc = Libc.open();
  throws(() => libc.openFile("/no/such/file", 0), (error: SyscallError) => {
    equal(error.errno, ENOENT);
    equal(error.message, "Cannot open /no/such/file: ENOENT, no such file");
    return true;
  });
  throws(() => libc.ioctlNumber(-1, 0, 0, "ask"), { errno: EBADF });
  throws(() => libc.ioctl(-1, 0, new Uint8Array(4), "ask"), { message: /^Cannot ask: EBADF/ });
  equal(errnoName(1234), "errno 1234");
});

Deno.test("what does not fit is refused before C sees it", () => {
  const libc = Libc.open();
  throws(() => libc.openFile("x".repeat(512), 0), /Cannot pass 512 characters/);
  throws(() => libc.openFile("ü".repeat(300), 0), /Cannot pass 300 characters/);
  throws(() => libc.bind(-1, new Uint8Array(513), "bind"), /Cannot pass 513 bytes/);
  throws(() => libc.openFile("x".repeat(511), 0), SyscallError);
});

Deno.test("hot calls return bytes, or the negative errno", async () => {
  const libc = Libc.open();
  const arena = new Arena(1024);
  const path = await Deno.makeTempFile();
  try {
    const fd = libc.openFile(path, 2);
    arena.bytes.set(new TextEncoder().encode("one two three"));
    equal(libc.write(fd, arena.address(0), 4n), 4);
    // Two parts, in the order of the iovecs.
    const iovec = arena.view;
    iovec.setBigUint64(512, arena.address(8), true);
    iovec.setBigUint64(520, 5n, true);
    iovec.setBigUint64(528, arena.address(3), true);
    iovec.setBigUint64(536, 4n, true);
    equal(libc.writev(fd, arena.address(512), 2), 9);
    libc.closeFile(fd);
    equal(await Deno.readTextFile(path), "one three two");
    equal(libc.write(fd, arena.address(0), 1n), -EBADF);
    equal(libc.writev(-1, arena.address(512), 1), -EBADF);
    equal(libc.recvmsg(-1, arena.address(0), 0), -EBADF);
    equal(libc.sendmsg(-1, arena.address(0), 0), -EBADF);
    equal(libc.read(-1, arena.address(0), 1n), -EBADF);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("errno is that of the call, not of what the runtime did since", () => {
  const libc = Libc.open();
  const arena = new Arena(128);
  const fd = libc.eventfd();
  for (let turn = 0; turn < 10_000; turn++) {
    equal(libc.read(-1, arena.address(0), 8n), -EBADF);
    equal(libc.read(fd, arena.address(0), 8n), -EAGAIN);
    equal(libc.read(fd, arena.address(0), 1n), -EINVAL);
  }
  libc.closeFile(fd);
});

Deno.test("an eventfd wakes ppoll until it is cleared, however often it was signalled", () => {
  const libc = Libc.open();
  const arena = new Arena(128);
  const fd = libc.eventfd();
  arena.view.setInt32(0, fd, true);
  arena.view.setInt16(4, POLLIN, true);
  const ready = () => {
    const count = libc.ppoll(arena.address(0), 1n, arena.address(64));
    return { count, events: arena.view.getInt16(6, true) };
  };
  deepEqual(ready(), { count: 0, events: 0 });
  libc.signalEventfd(fd);
  libc.signalEventfd(fd);
  deepEqual(ready(), { count: 1, events: POLLIN });
  libc.clearEventfd(fd);
  deepEqual(ready(), { count: 0, events: 0 });
  libc.closeFile(fd);
});

Deno.test("forbidCoreDumps() takes both limits to 0", async () => {
  // In a process of its own: limits that were lowered cannot be raised again.
  const code = `
    import { Libc } from ${JSON.stringify(import.meta.resolve("./libc.ts"))};
    Libc.open().forbidCoreDumps();
    const { stdout } = await new Deno.Command("sh", { args: ["-c", "ulimit -Hc; ulimit -Sc"] })
      .output();
    console.log(new TextDecoder().decode(stdout).trim().split("\\n").join(" "));`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--ext=ts", code],
  }).output();
  ok(success, new TextDecoder().decode(stderr));
  equal(new TextDecoder().decode(stdout).trim(), "0 0");
});
