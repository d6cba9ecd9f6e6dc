import { equal, ok } from "node:assert/strict";
import { Namespace, needsRoot } from "../../../tests/netns/namespace.ts";

const PROGRAM = new URL("test_watched_dns.ts", import.meta.url).pathname;
const RUN = [Deno.execPath(), "run", "-A", "--no-lock", PROGRAM];
const NAME = "video.fluxify.example";
const TIMEOUT_MS = 20_000;
/** Of 2 KB each: more than the kernel keeps for a program that does not read. */
const MANY = 300;
const QUEUE_LENGTH = 256;

/** Asks so many times in the machine; returns how many answers came. */
async function ask(
  machine: Namespace,
  count: number,
  address: string,
  withinMs = TIMEOUT_MS / 4,
): Promise<number> {
  const words = ["ask", NAME, String(count), address, String(withinMs)];
  return Number((await machine.run(...RUN, ...words)).stdout);
}

Deno.test({
  name:
    "netns: DNS goes on beside a client that stands still, is seen again afterwards, and after its end",
  ...needsRoot(),
  async fn() {
    await using machine = await Namespace.create("watch");
    const watch = machine.spawn([...RUN, "watch", NAME]);
    await watch.waitForLine(/watches/, TIMEOUT_MS);
    equal(await ask(machine, 1, "192.0.2.1"), 1);
    await watch.waitForLine(/learned 192.0.2.1/, TIMEOUT_MS);

    watch.signal("SIGSTOP");
    const answered = await ask(machine, MANY, "192.0.2.2", 500);
    ok(answered >= MANY - QUEUE_LENGTH, `${answered} answers beside a client that stands still`);
    watch.signal("SIGCONT");
    equal(await ask(machine, MANY, "192.0.2.3"), MANY);
    await watch.waitForLine(/learned 192.0.2.3/, TIMEOUT_MS);

    await watch.stop("SIGKILL");
    // The rule is still there, and nobody listens.
    ok((await machine.run("nft", "list", "ruleset")).stdout.includes("queue"));
    equal(await ask(machine, 1, "192.0.2.4"), 1);
  },
});

Deno.test({
  name: "netns: an answer that is held when the client ends goes on",
  ...needsRoot(),
  async fn() {
    await using machine = await Namespace.create("watch");
    const watch = machine.spawn([...RUN, "watch", NAME, "never"]);
    await watch.waitForLine(/watches/, TIMEOUT_MS);
    const answered = ask(machine, 1, "192.0.2.1");
    await watch.waitForLine(/learned/, TIMEOUT_MS);
    equal(await watch.stop("SIGINT"), 0);
    equal(await answered, 1);
  },
});
