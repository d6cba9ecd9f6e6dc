/** Two machines that were given one certificate: both sides say so. */
import { equal, ok } from "node:assert/strict";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { topic } from "./scenario.ts";
import { addSite, createSmallLab } from "./small_lab.ts";

/** Each machine loses the session about every 22 s. */
const SERVER_TELLS_MS = 60_000;
const CLIENT_TELLS_MS = 120_000;
const SHARED = /certificate of laptop is used by two machines at once, from \S+ and \S+, and they/;

topic("e2e shared certificate", async (scenario) => {
  await using lab = await createSmallLab();
  await using cleanup = new AsyncDisposableStack();
  const tablet = await addSite(lab, cleanup, "tablet");
  const server = await startServer(lab);
  const bundle = await newClientCertificate(lab, "laptop");

  await scenario("server and clients name a certificate that two machines use", async (measure) => {
    const startMs = performance.now();
    const clients = [await startClient(lab, bundle), await startClient(tablet, bundle)];
    const [line] = await server.waitForLine(SHARED, SERVER_TELLS_MS);
    measure("the server tells after", performance.now() - startMs, "ms");
    ok(/from 10\.7[12]\./.test(line) && /and 10\.7[12]\./.test(line), line);
    await clients[0]!.waitForLine(
      /the server ends the session again and again, .*cert new NAME/,
      CLIENT_TELLS_MS,
    );
    measure("the client tells after", performance.now() - startMs, "ms");
    for (const client of clients) equal(await client.stop("SIGINT"), 0);
    equal(server.tail(1000).match(new RegExp(SHARED, "g"))?.length, 1);
  });
});
