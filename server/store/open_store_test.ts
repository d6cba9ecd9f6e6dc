import { deepEqual, match } from "node:assert/strict";
import { join } from "node:path";
import { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { openStore } from "./open_store.ts";

/** What is said when a server opens a store that nobody is at. */
async function warningsFor(directory: string, credentials: string, key: string): Promise<string[]> {
  const warnings: string[] = [];
  await using _store = await openStore({
    directory,
    network: new TunnelNetwork("10.8.0.0/24", "fd00:8::/64"),
    revocations: { entries: () => [], problem: null } as never,
    nats: {
      ...{ machines: [{ host: "127.0.0.1", port: 1 }], transport: "tls" },
      ...{ credentials, ca: null, certificate: null, key },
    },
    instance: null,
    warn: (line) => warnings.push(line),
  });
  return warnings;
}

Deno.test("credentials and keys for a store that others may read are said", async () => {
  await using directory = await TemporaryDirectory.create();
  const credentials = join(directory.path, "credentials");
  const key = join(directory.path, "key.pem");
  for (const path of [credentials, key]) await Deno.writeTextFile(path, "x", { mode: 0o600 });
  deepEqual(await warningsFor(directory.path, credentials, key), []);
  for (const path of [credentials, key]) await Deno.chmod(path, 0o644);
  const [first, second, ...more] = await warningsFor(directory.path, credentials, key);
  match(first!, /credentials holds credentials and other users .* \(mode 0644\): run "chmod 600/);
  match(second!, /key\.pem holds a private key/);
  deepEqual(more, []);
});
