import { deepEqual, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { openServerPki } from "../../lib/pki/server_pki.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { saveForService } from "./service_settings.ts";

const NOW = new Date();
const BONDING = new Map<string, string | boolean>([
  ...Object.entries({ mode: "bonding", server: "vpn.example.com", ifaces: "one,two" }),
]);

/** A home with a bundle in it, and the place of a service's settings. */
async function setUp() {
  const directory = await TemporaryDirectory.create();
  const home = join(directory.path, "home");
  const own = join(home, ".fluxify");
  await Deno.mkdir(own, { recursive: true });
  const pki = await openServerPki(join(directory.path, "pki"), {
    ...{ hosts: [], regenerate: false, now: NOW },
  });
  const { certPath, keyPath } = await pki.issueClient("alice", NOW);
  const parts = await Promise.all([certPath, keyPath].map((path) => Deno.readTextFile(path)));
  return {
    ...{ user: { home, owner: null }, own, certPath },
    bundle: parts.join("") + pki.caPem,
    path: join(directory.path, "etc", "client.json"),
    etc: join(directory.path, "etc"),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const read = async (path: string) => JSON.parse(await Deno.readTextFile(path));

Deno.test("a bundle is copied beside the service's settings, for root alone", async () => {
  await using site = await setUp();
  await Deno.writeTextFile(join(site.own, "alice.bundle"), site.bundle, { mode: 0o600 });
  await Deno.mkdir(site.etc);
  equal(await saveForService(site.user, BONDING, site.path), site.path);
  const copy = join(site.etc, "client", "alice.bundle");
  const { pki, cert, mode, server, ifaces } = await read(site.path);
  deepEqual({ pki, cert, mode, server, ifaces }, {
    ...{ pki: join(site.etc, "client"), cert: copy, mode: "bonding", server: "vpn.example.com" },
    ifaces: ["one", "two"],
  });
  equal(await Deno.readTextFile(copy), site.bundle);
  equal((await Deno.stat(copy)).mode! & 0o777, 0o600);
  equal((await Deno.stat(join(site.etc, "client"))).mode! & 0o777, 0o700);
  // Again, with what was saved the last time.
  await saveForService(site.user, new Map([...BONDING, ["cert", copy]]), site.path);
  equal((await read(site.path)).cert, copy);
});

Deno.test("a certificate with its key beside it stays where it is, by its whole path", async () => {
  await using site = await setUp();
  await Deno.mkdir(site.etc);
  const settings = new Map([...BONDING, ["cert", site.certPath], ["pki", "~/.fluxify"]]);
  await saveForService(site.user, settings, site.path);
  const { pki, cert } = await read(site.path);
  deepEqual([pki, cert], [site.own, site.certPath]);
});

Deno.test("without a certificate nothing is saved, and load balance needs none", async () => {
  await using site = await setUp();
  await Deno.mkdir(site.etc);
  await rejects(saveForService(site.user, BONDING, site.path), /no client certificate/i);
  await rejects(Deno.stat(site.path), Deno.errors.NotFound);
  const balance = new Map([["mode", "load-balance"], ["ifaces", "one,two"]]);
  await saveForService(site.user, balance, site.path);
  deepEqual((await read(site.path)).mode, "load-balance");
});
