import { deepEqual, equal, ok } from "node:assert/strict";
import { program } from "../scripts/lab/programs.ts";
import { TemporaryDirectory } from "../testing/pki/temporary_directory.ts";
import { hostState } from "../tests/e2e/host_state.ts";
import { type Child, Namespace, needsRoot } from "../tests/netns/namespace.ts";

const READY_TIMEOUT_MS = 30_000;

/** A machine with a server's program on it. */
async function setUp() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await TemporaryDirectory.create());
  const machine = stack.use(await Namespace.create("serve"));
  const cwd = new URL("..", import.meta.url).pathname;
  const start = (name: string, ...args: string[]): Child =>
    machine.spawn([
      ...program("server"),
      ...["-pki", `${directory.path}/pki`, "-hosts", "203.0.113.10", "-name", name, ...args],
    ], {
      cwd,
      env: {
        FLUXIFY_STATE_DIR: `${directory.path}/state`,
        FLUXIFY_RUN_DIR: `${directory.path}/run`,
        DENO_NO_UPDATE_CHECK: "1",
      },
    });
  const all = stack.move();
  return { machine, start, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

Deno.test({
  name: "netns: a server that cannot take its ports says so, and takes back what it has done",
  ...needsRoot(),
  async fn() {
    await using bench = await setUp();
    const { machine, start } = bench;
    const before = await hostState(machine);
    const first = start("fluxify-one");
    await first.waitForLine(/fluxify-server is ready/, READY_TIMEOUT_MS);
    const between = await hostState(machine);
    ok(between !== before);
    for (
      const [args, words] of [
        [["-ctrl", "8444"], /port 8000.* another program uses it: .*choose another with -port/],
        [["-port", "8001"], /8443.* another program uses it.*-ctrl/],
      ] as const
    ) {
      const networks = ["-network", "10.9.0.0/24", "-network6", "fd99::/64"];
      const second = start("fluxify-two", ...args, ...networks);
      await second.waitForLine(words, READY_TIMEOUT_MS);
      equal((await second.ended).code, 1);
      equal(await hostState(machine), between);
    }
    deepEqual([await first.stop("SIGTERM"), await hostState(machine)], [0, before]);
  },
});
