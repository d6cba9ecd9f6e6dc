/** "A router for a network behind it" of docs/operations.md, by the commands of the page. */
import { equal, match } from "node:assert/strict";
import { join, resolve } from "node:path";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6 } from "../../scripts/lab/lab.ts";
import { connect, Namespace } from "../netns/namespace.ts";
import { topic } from "./scenario.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { createSmallLab } from "./small_lab.ts";

const PAGE = join(resolve(import.meta.dirname!, "../.."), "docs/operations.md");

topic("e2e network behind the client", async (scenario) => {
  await using lab = await createSmallLab();
  await using host = await Namespace.create("behind");
  await connect(lab.client, host, {
    a: { name: "lan", addresses: ["192.168.55.1/24", "fd55::1/64"] },
    b: { name: "eth0", addresses: ["192.168.55.2/24", "fd55::2/64"] },
  });
  await host.run("ip", "route", "add", "default", "via", "192.168.55.1");
  await host.run("ip", "-6", "route", "add", "default", "via", "fd55::1");
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const client = await startClient(lab, bundle, { args: ["-share", "on"] });
  const ping = (address: string) => host.run("ping", "-c1", "-w5", address);

  await scenario("-share on lets its hosts use the tunnel, with the page's commands", async () => {
    for (const address of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) await ping(address);
    const [, text = ""] = /### A router for a network behind it\n([^#]*)/.exec(
      await Deno.readTextFile(PAGE),
    ) ?? [];
    const commands = text.split("\n").filter((line) => line.startsWith("    "));
    match(commands.join(), /maxseg/);
    for (const line of commands) await lab.client.run("sh", "-c", line);
    for (const address of [INTERNET_ADDRESS, INTERNET_ADDRESS6]) await ping(address);
  });
  equal(await client.stop("SIGINT"), 0);
  equal(await server.stop("SIGINT"), 0);
});
