/** The data plane dies: the program ends with an error, and the machine is as it was. */
import { deepEqual, equal } from "node:assert/strict";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import type { Child } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

const END_TIMEOUT_MS = 20_000;

/** How the program ended; in time, or it is ended. */
async function endOf(program: Child): Promise<Deno.CommandStatus> {
  const timer = setTimeout(() => program.signal("SIGKILL"), END_TIMEOUT_MS);
  try {
    return await program.ended;
  } finally {
    clearTimeout(timer);
  }
}

topic("e2e end of the data plane", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");

  for (const engine of ["native", "portable"]) {
    await scenario(`${engine}: the client's TUN device is taken away`, async () => {
      const server = await startServer(lab);
      const before = await hostState(lab.client);
      const client = await startClient(lab, bundle, { args: ["-engine", engine] });
      await pingAll(lab.client, FAR_ADDRESSES);
      await lab.client.run("ip", "link", "delete", "fluxify");
      await client.waitForLine(/TUN device is gone/, END_TIMEOUT_MS);
      equal((await endOf(client)).code, 1, client.tail());
      deepEqual(await hostState(lab.client), before);
      await server.stop("SIGINT");
    });

    await scenario(`${engine}: the server's TUN device is taken away`, async () => {
      const before = await hostState(lab.server);
      const server = await startServer(lab, { args: ["-engine", engine] });
      await lab.server.run("ip", "link", "delete", "fluxify-srv");
      await server.waitForLine(/TUN device is gone/, END_TIMEOUT_MS);
      equal((await endOf(server)).code, 1, server.tail());
      deepEqual(await hostState(lab.server), before);
    });
  }
});
