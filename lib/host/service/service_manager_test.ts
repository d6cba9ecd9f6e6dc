import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { Libc } from "../../ffi/libc/libc.ts";
import { ServiceManager } from "./service_manager.ts";

/** A service manager's socket, and what it was told. */
class TestManager implements AsyncDisposable {
  private constructor(readonly path: string, readonly socket: Deno.DatagramConn) {}

  static async create(): Promise<TestManager> {
    const path = join(await Deno.makeTempDir({ prefix: `fluxify-notify-${Deno.pid}-` }), "notify");
    return new TestManager(path, Deno.listenDatagram({ transport: "unixpacket", path }));
  }

  async next(): Promise<string[]> {
    const [bytes] = await this.socket.receive();
    return new TextDecoder().decode(bytes).split("\n");
  }

  async [Symbol.asyncDispose]() {
    this.socket.close();
    await Deno.remove(join(this.path, ".."), { recursive: true });
  }
}

Deno.test("the manager is told that the program is ready, how it does, and that it stops", async () => {
  await using there = await TestManager.create();
  const libc = Libc.open();
  const env = new Map([["NOTIFY_SOCKET", there.path], ["WATCHDOG_USEC", "3000000"]]);
  const manager = ServiceManager.open(() => libc, env);
  equal(manager.watchdogMs, 3000);
  deepEqual([...env], [], "commands must not speak in its name");
  manager.ready("up: 10.8.0.2\nREADY=0");
  deepEqual(await there.next(), ["READY=1", "STATUS=up: 10.8.0.2 READY=0"]);
  manager.status("two links");
  deepEqual(await there.next(), ["STATUS=two links"]);
  manager.stopping();
  deepEqual(await there.next(), ["STOPPING=1", "STATUS=stopping"]);
  libc.unload();
});

Deno.test("signs of life come while the part that is watched answers, and end with it", async () => {
  const told: string[] = [];
  const manager = new ServiceManager((text) => void told.push(text), 300);
  let answers = true;
  const asked: PromiseWithResolvers<void>[] = [];
  using _watch = manager.watch(() => {
    if (answers) return Promise.resolve();
    asked.push(Promise.withResolvers());
    return asked.at(-1)!.promise;
  });
  while (told.length < 3) await new Promise((resolve) => setTimeout(resolve, 10));
  deepEqual(new Set(told), new Set(["WATCHDOG=1"]));
  answers = false;
  while (asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const before = told.length;
  await new Promise((resolve) => setTimeout(resolve, 350));
  deepEqual([told.length, asked.length], [before, 1], "a part that hangs is asked once");
  answers = true;
  asked[0]!.resolve();
  while (told.length < before + 2) await new Promise((resolve) => setTimeout(resolve, 10));
  answers = false;
  const failing = new ServiceManager((text) => void told.push(text), 300);
  const after = told.length;
  {
    using _failing = failing.watch(() => Promise.reject(new Error("no engine")));
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  ok(told.length <= after + 1);
});

Deno.test("without a manager, or with an address that is none, nothing is told", () => {
  const never = () => {
    throw new Error("no libc");
  };
  const none = ServiceManager.open(never, new Map());
  none.ready("up");
  equal(none.watchdogMs, null);
  none.watch(never)[Symbol.dispose]();
  const env = new Map([["NOTIFY_SOCKET", "relative"], ["WATCHDOG_USEC", "1000"]]);
  equal(ServiceManager.open(never, env).watchdogMs, null);
});

Deno.test("a watchdog that is another process's is not fed", () => {
  const env = (id: string) =>
    new Map([["NOTIFY_SOCKET", "/nowhere"], ["WATCHDOG_USEC", "1000"], ["WATCHDOG_PID", id]]);
  const libc = Libc.open();
  equal(ServiceManager.open(() => libc, env("7"), 8).watchdogMs, null);
  equal(ServiceManager.open(() => libc, env("8"), 8).watchdogMs, 1);
  libc.unload();
});
