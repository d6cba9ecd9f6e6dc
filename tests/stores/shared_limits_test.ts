/** What is prescribed for a client counts on every server of a shared store. */
import { deepEqual, match } from "node:assert/strict";
import { join } from "node:path";
import { needsNatsServer } from "../daemons/packages.ts";
import { serverAddress, StoreLab } from "./store_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
const INNER = "10.8.0.1";
/** There and back: 1.7 MB. */
const PINGS = ["-c", "700", "-s", "1200"];

Deno.test({
  name: "netns: a quota is that of all servers, and what is set on one holds on the others",
  ...await needsNatsServer(),
  async fn() {
    await using lab = await StoreLab.create();
    await lab.startStores();
    for (const number of [1, 2]) await lab.startServer(number);
    for (const number of [1, 2]) await lab.untilReached(number);
    const client = (server: number, ...words: string[]) => {
      const pki = join(lab.servers[server - 1]!.directory, "pki");
      return lab.ask(server, "client", ...words, "-pki", pki);
    };
    const carry = (ping: readonly string[]) =>
      laptop.namespace.run("ping", "-f", "-q", ...ping, INNER).catch(() => {}); // some may be lost

    // Set where the client is not: the server that it asks first has it from the store.
    await client(2, "set", "laptop", "-quota", "3MB");
    await lab.until("server 1 knows the quota", async () => {
      return /3\.0 MB this month/.test(await client(1, "show", "laptop"));
    });
    const laptop = await lab.startClient(lab.laptop);
    await carry(PINGS);
    let from = laptop.child.lineCount;
    await lab.ask(1, "drain", "--limit", "20s");
    await laptop.child.waitForLine(
      new RegExp(`in use: server ${serverAddress(2)}`),
      STATE_TIMEOUT_MS,
      from,
    );
    await lab.ask(1, "drain", "--stop");
    from = laptop.child.lineCount;
    // Too little for the quota, but for what the other server has counted.
    await carry(PINGS);
    await laptop.child.waitForLine(/laptop has used up its 3\.0 MB/, STATE_TIMEOUT_MS, from);
    const [refused] = await lab.join([lab.laptop], { servers: [1, 2], seconds: 2 });
    deepEqual(new Set(refused!.refusals), new Set(["quota_used_up"]));
    await lab.until("server 1 shows what both have counted", async () => {
      return /quota +3\.\d MB of 3\.0 MB/.test(await client(1, "show", "laptop"));
    });

    // It is over a start of the server, too.
    await lab.stopServer(2);
    await lab.startServer(2);
    match(await client(2, "show", "laptop"), /quota +3\.\d MB of 3\.0 MB/);

    await lab.untilReached(2);
    from = laptop.child.lineCount;
    await client(2, "set", "laptop", "-quota", "1GB");
    await laptop.child.waitForLine(/connected again/, STATE_TIMEOUT_MS, from);
    const { server } = await laptop.status();
    const other = server === serverAddress(1) ? 2 : 1;
    from = laptop.child.lineCount;
    await client(other, "set", "laptop", "-expires", "2020-01-31");
    await laptop.child.waitForLine(/the access of laptop has ended/, STATE_TIMEOUT_MS, from);
    await laptop.child.stop("SIGINT");
  },
});
