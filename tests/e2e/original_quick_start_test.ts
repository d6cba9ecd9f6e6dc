/** The quick start of the original Fluxify, with its flags and its files; and two servers side by side. */
import { equal } from "node:assert/strict";
import { join } from "node:path";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  newClientCertificate,
  pkiDirectory,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, pingAll } from "./small_lab.ts";

/** Those inside the tunnel of one server are not for the clients of another. */
const BEHIND_THE_SERVER = FAR_ADDRESSES.filter((address) => !/^(10\.8\.0|fd00:8:)/.test(address));

topic("e2e quick start of the original", async (scenario) => {
  await using lab = await createSmallLab();
  await newClientCertificate(lab, "alice");

  await scenario("HOST:PORT, a certificate with its key, ca.pem beside it", async () => {
    const server = await startServer(lab, { args: ["-iface=tun7", "-mss-clamp=PMTU", "-v=true"] });
    await server.waitForLine(/tun7 has 10\.8\.0\.1/, 1000, 0);
    const file = await certificateWithKey(lab.directory, pkiDirectory(lab), "alice");
    const client = await startClient(lab, file, {
      args: [
        ...["-server", `${SERVER_ADDRESS}:8443`, "-b=true", "-tun", "tun8"],
        ...["-compression-sample-size", "64", "-reorder-flush-timeout", "50000us"],
      ],
    });
    await client.waitForLine(/-compression-sample-size has no effect/, 1000, 0);
    await lab.client.run("ip", "link", "show", "dev", "tun8");
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    equal(await server.stop("SIGINT"), 0);
  });

  await scenario("two servers on one machine, each with its device and its network", async () => {
    const one = await startServer(lab);
    const other = await startServer(lab, {
      args: [
        ...["-iface", "tun7", "-port", "8001", "-ctrl", "9443"],
        ...["-network", "10.99.0.0/24", "-network6", "fd99::/64"],
      ],
    });
    const bundle = join(pkiDirectory(lab), "clients", "alice.bundle");
    for (const args of [[], ["-server", `${SERVER_ADDRESS}:9443`]]) {
      const client = await startClient(lab, bundle, { args });
      await pingAll(lab.client, BEHIND_THE_SERVER);
      equal(await client.stop("SIGINT"), 0);
    }
    equal(await other.stop("SIGINT"), 0);
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, BEHIND_THE_SERVER);
    equal(await client.stop("SIGINT"), 0);
    equal(await one.stop("SIGINT"), 0);
  });
});

/** A folder with `NAME.pem`, which holds certificate and key, and `ca.pem`. */
async function certificateWithKey(parent: string, pki: string, name: string): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: parent });
  const parts = [`${name}.pem`, `${name}-key.pem`].map((part) =>
    Deno.readTextFile(join(pki, "clients", part))
  );
  const file = join(folder, `${name}.pem`);
  await Deno.writeTextFile(file, (await Promise.all(parts)).join(""), { mode: 0o600 });
  await Deno.copyFile(join(pki, "ca.pem"), join(folder, "ca.pem"));
  return file;
}
