/**
 * For tests, in a namespace of theirs: the client's watch over DNS answers, and a machine that asks.
 *
 *     test_watched_dns.ts watch NAME [never]
 *     test_watched_dns.ts ask NAME COUNT ADDRESS WITHIN_MS
 *
 * The one that watches prints each address that it learns, and with `never` is never done with it. The
 * other asks a server of its own COUNT times
 * at once, is answered ADDRESS each time, and prints how many answers came in time, at most WITHIN_MS.
 */
import { encode } from "dns-packet";
import { Libc } from "../../ffi/libc/libc.ts";
import { SystemRunner } from "../command/runner.ts";
import { withJournal } from "../firewall/test_journal.ts";
import { AnswerWatch } from "./answer_watch.ts";

const SERVER = { transport: "udp", hostname: "127.0.0.1", port: 53 } as const;
/** So many are sent in a row, then those that have come are read: a socket takes no more. */
const AT_ONCE = 20;
const READ_MS = 5;
/** An answer of 2 KB: the kernel has memory for fewer of these than may wait. */
const PADDING = { type: "TXT", name: ".", data: ["x".repeat(250)] };

async function watch(name: string, isEverDone: boolean): Promise<void> {
  await withJournal(new SystemRunner(), async (journal) => {
    const begun = await AnswerWatch.begin({
      ...{ libc: Libc.open(), journal, tun: "tunnel", names: new Set([name]) },
      learned: ({ addresses }) => {
        console.log("learned", ...addresses);
        return isEverDone ? Promise.resolve() : new Promise(() => {});
      },
    });
    if (typeof begun === "string") throw new Error(begun);
    await using _begun = begun;
    console.log("watches");
    const { promise, resolve } = Promise.withResolvers<void>();
    Deno.addSignalListener("SIGINT", resolve);
    await promise;
  });
}

async function ask(name: string, count: number, address: string, withinMs: number): Promise<void> {
  const server = Deno.listenDatagram(SERVER);
  const asking = Deno.listenDatagram({ ...SERVER, port: 0 });
  const questions = [{ type: "A", name }];
  const answers = [{ type: "A", name, ttl: 1, data: address }, ...new Array(8).fill(PADDING)];
  let answered = 0;
  const all = Promise.withResolvers<void>();
  const listen = async () => {
    for await (const _answer of asking) if (++answered === count) all.resolve();
  };
  const listening = listen();
  for (let asked = 0; asked < count; asked += AT_ONCE) {
    const burst = Math.min(AT_ONCE, count - asked);
    for (let id = asked; id < asked + burst; id++) {
      await asking.send(encode({ type: "query", id, questions }), SERVER);
    }
    for (let id = asked; id < asked + burst; id++) {
      const [, from] = await server.receive();
      await server.send(encode({ type: "response", id, questions, answers }), from);
    }
    await new Promise((resolve) => setTimeout(resolve, READ_MS));
  }
  const timer = setTimeout(all.resolve, withinMs);
  await all.promise;
  clearTimeout(timer);
  asking.close();
  server.close();
  await listening;
  console.log(answered);
}

if (import.meta.main) {
  const [role, name = "", count, address = "", withinMs] = Deno.args;
  if (role === "watch") await watch(name, count !== "never");
  else await ask(name, Number(count), address, Number(withinMs));
}
