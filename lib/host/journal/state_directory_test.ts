import assert from "node:assert/strict";
import { JournalError, StateDirectory } from "./state_directory.ts";
import { TestDirectory } from "./test_directory.ts";

const refused = (path: string, reason: RegExp) =>
  assert.rejects(
    StateDirectory.open(path),
    (error) => error instanceof JournalError && reason.test(error.message),
  );

Deno.test("StateDirectory makes a directory of its own", async () => {
  await using base = await TestDirectory.create();
  const path = base.file("state");
  await StateDirectory.open(path);
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o700);
  await StateDirectory.open(path);
});

Deno.test("StateDirectory refuses what others could have written to", async () => {
  await using base = await TestDirectory.create();
  await Deno.mkdir(base.file("open"));
  await Deno.chmod(base.file("open"), 0o777);
  await refused(base.file("open"), /others may write/);
  await Deno.symlink("open", base.file("link"));
  await refused(base.file("link"), /not a directory/);
  await Deno.writeTextFile(base.file("file"), "");
  await refused(base.file("file"), /FLUXIFY_STATE_DIR/);
  await refused("/proc/fluxify", /FLUXIFY_STATE_DIR/);
});

Deno.test({
  name: "netns: StateDirectory refuses another user's directory",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using base = await TestDirectory.create();
    await Deno.mkdir(base.file("foreign"), { mode: 0o700 });
    await Deno.chown(base.file("foreign"), 65534, 65534);
    await refused(base.file("foreign"), /not a directory of the user/);
  },
});

Deno.test("exclusively() lets one in at a time and the next after a failure", async () => {
  await using base = await TestDirectory.create();
  const [one, other] = [await StateDirectory.open(base.path), await StateDirectory.open(base.path)];
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
  const order: string[] = [];
  const first = one.exclusively(async () => {
    enter();
    await released;
    order.push("first");
    throw new Error("failed inside");
  });
  await entered;
  const second = other.exclusively(() => Promise.resolve(order.push("second")));
  release();
  await assert.rejects(first, /failed inside/);
  await second;
  assert.deepEqual(order, ["first", "second"]);
});
