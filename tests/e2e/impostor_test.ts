import { equal } from "node:assert/strict";
import { SERVER_ADDRESS, SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { Impostor } from "./impostor.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 30_000;
const UNTRUSTED = /Cannot trust the server at .*: its certificate is not of the authority/;

topic("e2e an untrusted certificate on a link", async (scenario) => {
  await using lab = await createSmallLab();
  await using impostor = await Impostor.start(lab);
  const bundle = await newClientCertificate(lab, "laptop");
  const args = ["-hosts", `${SERVER_ADDRESS},${SERVER_ADDRESS6}`];
  let server = await startServer(lab, { args });

  for (const [family, address] of [[4, SERVER_ADDRESS], [6, SERVER_ADDRESS6]] as const) {
    await scenario(`IPv${family}: the start asks over the other link`, async () => {
      await impostor.takeOver("one");
      const client = await startClient(lab, bundle, { args: ["-server", address] });
      await client.waitForLine(UNTRUSTED, STATE_TIMEOUT_MS);
      await pingAll(lab.client, FAR_ADDRESSES);
      await impostor.letGo("one");
      equal(await client.stop("SIGINT"), 0);
    });

    await scenario(`IPv${family}: a new session is had over the other link`, async () => {
      const client = await startClient(lab, bundle, { args: ["-server", address] });
      await impostor.takeOver("one");
      const from = client.lineCount;
      await server.stop("SIGKILL");
      server = await startServer(lab, { args });
      await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, from);
      await pingAll(lab.client, FAR_ADDRESSES);
      await impostor.letGo("one");
      equal(await client.stop("SIGINT"), 0);
    });
  }

  await scenario("a renewal that fails over all links leaves the session alone", async () => {
    const client = await startClient(lab, bundle, { args: ["-renew-every", "5s"] });
    for (const link of LINKS) await impostor.takeOver(link);
    const failed = client.lineCount;
    await client.waitForLine(/cannot renew the session/, STATE_TIMEOUT_MS, failed);
    await pingAll(lab.client, FAR_ADDRESSES);
    const mended = client.lineCount;
    for (const link of LINKS) await impostor.letGo(link);
    await client.waitForLine(/session renewed/, STATE_TIMEOUT_MS, mended);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
  });

  await scenario("a lost session is asked for until the server is there again", async () => {
    const client = await startClient(lab, bundle);
    for (const link of LINKS) await impostor.takeOver(link);
    const lost = client.lineCount;
    await server.stop("SIGKILL");
    await client.waitForLine(UNTRUSTED, STATE_TIMEOUT_MS, lost);
    server = await startServer(lab, { args });
    const mended = client.lineCount;
    for (const link of LINKS) await impostor.letGo(link);
    await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, mended);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
  });
  equal(await server.stop("SIGINT"), 0);
});
