/** A client as the router of a network behind it, and of that one alone. */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6 } from "../../scripts/lab/lab.ts";
import { connect, Namespace } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { createSmallLab } from "./small_lab.ts";

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
  await using other = await Namespace.create("other");
  await connect(lab.client, other, {
    a: { name: "guests", addresses: ["192.168.56.1/24", "fd56::1/64"] },
    b: { name: "eth0", addresses: ["192.168.56.2/24", "fd56::2/64"] },
  });
  await other.run("ip", "route", "add", "default", "via", "192.168.56.1");
  await other.run("ip", "-6", "route", "add", "default", "via", "fd56::1");
  const before = await hostState(lab.client);
  const far = [INTERNET_ADDRESS, INTERNET_ADDRESS6];
  const ping = (from: Namespace, address: string, patience: string) =>
    from.run("ping", "-c1", `-w${patience}`, address);

  await scenario("-share on lets all networks use the tunnel", async () => {
    const client = await startClient(lab, bundle, { args: ["-share", "on"] });
    for (const address of far) await ping(host, address, "5");
    for (const address of far) await ping(other, address, "5");
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("-share lan lets that network use it, and no other one by it", async () => {
    const client = await startClient(lab, bundle, { args: ["-share", "lan", "-kill-switch"] });
    for (const address of far) await ping(host, address, "5");
    for (const address of [...far, "192.168.55.2", "fd55::2"]) {
      await rejects(ping(other, address, "1"));
    }
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });
  equal(await server.stop("SIGINT"), 0);
});
