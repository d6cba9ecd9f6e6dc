import { doesNotMatch, equal, match } from "node:assert/strict";
import { Child, needsRoot, run } from "../tests/netns/namespace.ts";

function startDemo(...args: string[]): Child {
  const main = new URL("demo.ts", import.meta.url).pathname;
  return new Child([Deno.execPath(), "run", "-A", main, "--", ...args]);
}

Deno.test("the demo explains itself, and refuses what it does not know", async () => {
  const help = startDemo("--help");
  equal((await help.ended).code, 0);
  match(help.output("stdout"), /--json/);
  const wrong = startDemo("--fast");
  equal((await wrong.ended).code, 1);
  match(wrong.output("stderr"), /--fast/);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `netns: the demo leaves nothing behind after ${signal}`,
    ...needsRoot(),
    async fn() {
      const demo = startDemo("--json");
      await demo.waitForLine(/fiber alone/, 30_000);
      equal(await demo.stop(signal, 30_000), signal === "SIGINT" ? 130 : 143);
      equal(demo.output("stdout"), "");
      doesNotMatch((await run("ip", "netns", "list")).stdout, new RegExp(`fx${demo.pid}-`));
      const left = [...Deno.readDirSync("/tmp")].filter(({ name }) =>
        name.startsWith(`fluxify${demo.pid}-`)
      );
      equal(left.length, 0);
    },
  });
}
