import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { LEASE_FILE_BYTES_MAX } from "./lease_file.ts";
import { DEFAULT_NETWORK } from "../../lib/protocol/wire/tunnel_network.ts";
import { LeaseStore } from "./lease_store.ts";

const LEASES = [{ name: "phone", host: 3 }, { name: "laptop", host: 2 }];

function storeIn(directory: string) {
  const warnings: string[] = [];
  const store = new LeaseStore({
    directory,
    network: DEFAULT_NETWORK,
    warn: (line) => warnings.push(line),
  });
  return { store, warnings };
}

Deno.test("LeaseStore keeps leases for the next server, readable by its owner only", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store, warnings } = storeIn(directory.path);
  deepEqual(await store.load(), { leases: [], problem: null });
  store.save(() => LEASES);
  await store.flush();
  deepEqual(await storeIn(directory.path).store.load(), { leases: LEASES, problem: null });
  equal((await Deno.stat(store.path)).mode! & 0o777, 0o600);
  deepEqual(directory.names(), ["leases.json"]);
  deepEqual(warnings, []);
});

Deno.test("LeaseStore writes what was saved last, however many changes there are", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store } = storeIn(directory.path);
  for (let host = 2; host < 250; host++) store.save(() => [{ name: "a", host }]);
  await store.flush();
  store.save(() => [{ name: "b", host: 7 }]);
  await store[Symbol.asyncDispose]();
  deepEqual((await store.load()).leases, [{ name: "b", host: 7 }]);
});

Deno.test("LeaseStore keeps a damaged file aside and goes on", async () => {
  for (const text of ["{", "", "x".repeat(LEASE_FILE_BYTES_MAX + 1), '{"version":1,"leases":7}']) {
    await using directory = await TemporaryDirectory.create();
    const { store } = storeIn(directory.path);
    await Deno.writeTextFile(store.path, text);
    await Deno.writeTextFile(`${store.path}.damaged`, "an older one");
    const { leases, problem } = await store.load();
    deepEqual(leases, []);
    match(problem!, /Cannot use the address leases in .*leases\.json: (it|leases) is /);
    match(problem!, /kept as .*leases\.json\.damaged/);
    equal(await Deno.readTextFile(`${store.path}.damaged`), text);
    store.save(() => LEASES);
    await store.flush();
    deepEqual((await store.load()).leases, LEASES);
  }
});

Deno.test("LeaseStore warns once when it cannot read or write, and again when it can", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store, warnings } = storeIn(directory.path);
  await Deno.mkdir(join(store.path, "in the way"), { recursive: true });
  match((await store.load()).problem!, /Cannot read the address leases in .*leases\.json/);
  for (let change = 0; change < 3; change++) {
    store.save(() => LEASES);
    await store.flush();
  }
  equal(warnings.length, 1);
  match(warnings[0]!, /Cannot write .*leases\.json: .*other addresses/);
  await Deno.remove(store.path, { recursive: true });
  await store.flush();
  match(warnings[1]!, /leases\.json is written again/);
  deepEqual((await store.load()).leases, LEASES);
  deepEqual(directory.names(), ["leases.json"]);
});

/** Fills the disk between two changes, then makes room. The mount is for this process alone. */
const FULL_DISK = `
  import { DEFAULT_NETWORK } from "../../lib/protocol/wire/tunnel_network.ts";
import { LeaseStore } from "./lease_store.ts";
  const [directory] = Deno.args, warnings = [], leases = [];
  const store = new LeaseStore({ directory, network: DEFAULT_NETWORK, warn: (line) => warnings.push(line) });
  const saved = async (name) => {
    store.save(() => [{ name, host: 9 }]);
    await store.flush();
    leases.push((await store.load()).leases[0].name);
  };
  await saved("first");
  await Deno.writeFile(directory + "/filler", new Uint8Array(64 * 1024)).catch(() => {});
  await saved("second");
  await Deno.remove(directory + "/filler");
  await saved("third");
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
  console.log(JSON.stringify({ warnings, leases, names }));`;

Deno.test({
  name: "netns: LeaseStore keeps the old file on a full disk, says so, and goes on later",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const mount = 'mount -t tmpfs -o size=16k none "$1" && exec deno eval --no-lock "$2" "$1"';
    const { success, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", mount, "sh", directory.path, FULL_DISK],
      cwd: import.meta.dirname!,
    }).output();
    ok(success, new TextDecoder().decode(stderr));
    const { warnings, leases, names } = JSON.parse(new TextDecoder().decode(stdout));
    deepEqual(leases, ["first", "first", "third"]);
    deepEqual(names, ["leases.json"]);
    equal(warnings.length, 2);
    match(warnings[0], /leases\.json: the disk is full; free some space/);
    match(warnings[1], /is written again/);
  },
});
