import { deepEqual, equal, match, notEqual, rejects } from "node:assert/strict";
import { connect, Namespace, needsRoot, run } from "./namespace.ts";

async function namespaceNames(pid: number): Promise<string[]> {
  const { stdout } = await run("ip", "netns", "list");
  return stdout.split("\n").filter((name) => name.startsWith(`fx${pid}-`));
}

/*
 *   left                              right
 *     cable  10.1.0.1/24 ------------ 10.1.0.2/24  cable
 *            fd00:1::1/64             fd00:1::2/64
 */
Deno.test({
  name: "netns: connect() joins two namespaces over IPv4 and IPv6",
  ...needsRoot(),
  async fn() {
    await using left = await Namespace.create("left");
    await using right = await Namespace.create("right");
    await connect(left, right, {
      a: { name: "cable", addresses: ["10.1.0.1/24", "fd00:1::1/64"] },
      b: { name: "cable", addresses: ["10.1.0.2/24", "fd00:1::2/64"] },
      mtuBytes: 1400,
    });
    await left.run("ping", "-c1", "-W5", "10.1.0.2");
    await left.run("ping", "-c1", "-W5", "fd00:1::2");
    match((await right.run("ip", "link", "show", "cable")).stdout, /mtu 1400/);
  },
});

Deno.test({
  name: "netns: run() throws with the output of a failed command, and when time is up",
  ...needsRoot(),
  async fn() {
    await using alone = await Namespace.create("alone");
    await rejects(alone.run("sh", "-c", "echo oops >&2; exit 3"), /code 3\noops/);
    await rejects(alone.runWith({ timeoutMs: 50 }, "sleep", "60"), /took over 50 ms/);
    equal((await alone.runWith({ input: "hello" }, "cat")).stdout, "hello\n");
  },
});

Deno.test({
  name: "netns: a child's lines can be waited for, before and after they came",
  ...needsRoot(),
  async fn() {
    await using alone = await Namespace.create("lines");
    const child = alone.spawn(["sh", "-c", "echo one; read word; echo got $word; exec sleep 60"], {
      stdin: "piped",
    });
    await child.waitForLine(/^one$/, 5_000);
    const from = child.lineCount;
    await child.write("two\n");
    equal((await child.waitForLine(/^got (.*)$/, 5_000))[1], "two");
    await child.waitForLine(/^one$/, 5_000);
    await rejects(child.waitForLine(/^one$/, 50, from), /nothing within 50 ms/);
    equal(child.exitCode, null);
    equal(await child.stop("SIGTERM"), 143);
    await rejects(child.waitForLine(/never/, 5_000), /it ended with code 143/);
    const broken = alone.spawn(["sh", "-c", "echo last words; kill -ABRT $$"]);
    await rejects(broken.stop("SIGCONT"), /crashed with SIGABRT\nlast words/);
  },
});

Deno.test({
  name: "netns: disposal ends the children and their children, and removes the namespace",
  ...needsRoot(),
  async fn() {
    let pid: number;
    let grandchild: string;
    {
      await using alone = await Namespace.create("parent");
      const twin = await Namespace.create("parent");
      notEqual(twin.name, alone.name);
      await twin[Symbol.asyncDispose]();
      const child = alone.spawn(["sh", "-c", "sleep 60 & echo $!; wait"]);
      pid = child.pid;
      grandchild = (await child.waitForLine(/^\d+$/, 5_000))[0];
    }
    deepEqual((await namespaceNames(Deno.pid)).filter((name) => name.includes("parent")), []);
    for (const gone of [pid, grandchild]) {
      const state = await Deno.readTextFile(`/proc/${gone}/stat`).catch(() => "gone");
      match(state, /^gone$|\) Z /);
    }
  },
});

for (const ending of ["SIGINT", "SIGTERM", "uncaught error", "Deno.exit"] as const) {
  Deno.test({
    name: `netns: nothing is left after ${ending}`,
    ...needsRoot(),
    async fn() {
      const pid = await endProgram(ending);
      deepEqual(await namespaceNames(pid), []);
    },
  });
}

Deno.test({
  name: "netns: the next program removes what SIGKILL left",
  ...needsRoot(),
  async fn() {
    const pid = await endProgram("SIGKILL");
    equal((await namespaceNames(pid)).length, 1);
    await endProgram("Deno.exit");
    deepEqual(await namespaceNames(pid), []);
  },
});

/** Starts a program that makes a namespace, and ends it in the given way. Returns its process id. */
async function endProgram(
  ending: "SIGINT" | "SIGTERM" | "SIGKILL" | "uncaught error" | "Deno.exit",
): Promise<number> {
  const source = `
    import { Namespace } from ${JSON.stringify(import.meta.resolve("./namespace.ts"))};
    const namespace = await Namespace.create("ending");
    namespace.spawn(["sleep", "60"]);
    console.log("made");
    if (${JSON.stringify(ending)} === "uncaught error") setTimeout(() => { throw new Error("x") });
    if (${JSON.stringify(ending)} === "Deno.exit") Deno.exit(0);
    setTimeout(() => {}, 60_000);
  `;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", source],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  if (ending.startsWith("SIG")) child.kill(ending as Deno.Signal);
  await child.status;
  await reader.cancel();
  return child.pid;
}
