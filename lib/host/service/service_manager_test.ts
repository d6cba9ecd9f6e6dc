import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { Libc } from "../../ffi/libc/libc.ts";
import { until } from "../../../testing/until.ts";
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

/** Time that passes when it is told to. */
class Ticks {
  everyMs = 0;
  action: (() => Promise<void>) | null = null;

  readonly repeat = (action: () => Promise<void>, everyMs: number): Disposable => {
    this.action = action;
    this.everyMs = everyMs;
    return { [Symbol.dispose]: () => void (this.action = null) };
  };
}

Deno.test("signs of life come while the part that is watched answers, and end with it", async () => {
  const told: string[] = [];
  const ticks = new Ticks();
  const manager = new ServiceManager((text) => void told.push(text), 300);
  let asked = 0;
  let answer = Promise.resolve();
  const watch = manager.watch(() => {
    asked++;
    return answer;
  }, ticks.repeat);
  equal(ticks.everyMs, 100);
  await until("it is asked at the start", () => told.length === 1);
  for (let count = 0; count < 2; count++) await ticks.action!();
  deepEqual([asked, told], [3, Array(3).fill("WATCHDOG=1")]);
  const hanging = Promise.withResolvers<void>();
  answer = hanging.promise;
  const asking = ticks.action!();
  for (let count = 0; count < 5; count++) await ticks.action!();
  deepEqual([asked, told.length], [4, 3], "a part that hangs is asked once");
  hanging.resolve();
  await asking;
  await ticks.action!();
  deepEqual([asked, told.length], [5, 5], "it answers again");
  watch[Symbol.dispose]();
  equal(ticks.action, null);
});

Deno.test("a part that fails to answer gives no sign of life", async () => {
  const told: string[] = [];
  const ticks = new Ticks();
  const manager = new ServiceManager((text) => void told.push(text), 30_000);
  using _watch = manager.watch(() => Promise.reject(new Error("no engine")), ticks.repeat);
  for (let count = 0; count < 3; count++) await ticks.action!();
  deepEqual([told, ticks.everyMs], [[], 10_000]);
});

Deno.test("without a repeat of their own, signs of life go on by themselves", async () => {
  let told = 0;
  const manager = new ServiceManager(() => void told++, 1);
  using _watch = manager.watch(() => Promise.resolve());
  await until("three were told", () => told >= 3);
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
