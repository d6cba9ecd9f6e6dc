import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { NO_SETTINGS } from "./client_settings.ts";
import { ALL_ROUTES_MAX } from "./settings_conflict.ts";
import { FileSettings, settingsFile } from "./settings_file.ts";

const RATE = { down: 1e6, up: 5e5 };

function open(directory: string) {
  const warnings: string[] = [];
  const changed: string[][] = [];
  const store = new FileSettings(directory, (line) => warnings.push(line));
  store.watch((names) => changed.push([...names]));
  return { store, warnings, changed };
}

Deno.test("a change is on disk, readable by its owner only, and seen by who follows the file", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store, changed, warnings } = open(directory.path);
  await store.look();
  deepEqual(store.get("laptop"), NO_SETTINGS);
  const other = open(directory.path);
  await other.store.change("laptop", (before) => ({ ...before, rate: RATE }));
  await other.store.change("cam", (before) => ({ ...before, address: "10.8.0.77" }));
  equal((await Deno.stat(settingsFile(directory.path))).mode! & 0o777, 0o600);
  await store.look();
  deepEqual(changed, [["laptop", "cam"]]);
  deepEqual(store.get("laptop"), { ...NO_SETTINGS, rate: RATE });
  deepEqual([...store.list()].map(([name]) => name), ["laptop", "cam"]);
  await store.look();
  await other.store.change("laptop", () => NO_SETTINGS);
  await store.look();
  deepEqual(changed, [["laptop", "cam"], ["laptop"]]);
  deepEqual([...store.list()].map(([name]) => name), ["cam"]);
  await other.store.change("cam", () => NO_SETTINGS);
  await store.look();
  deepEqual(changed.at(-1), ["cam"]);
  deepEqual([warnings, store.problem], [[], null]);
});

Deno.test("a file that disappears lifts no limits, and that is said until it is back", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store, warnings, changed } = open(directory.path);
  await open(directory.path).store.change("cam", (before) => ({ ...before, rate: RATE }));
  await store.look();
  await Deno.remove(settingsFile(directory.path));
  await Deno.symlink("nowhere", settingsFile(directory.path));
  await store.look();
  deepEqual(store.get("cam").rate, RATE);
  match(store.problem!, /has disappeared: restore it.* those read before stay in force/);
  await Deno.remove(settingsFile(directory.path));
  await store.look();
  deepEqual([changed.length, warnings.length], [1, 1]);
  await open(directory.path).store.change("tv", (before) => ({ ...before, rate: RATE }));
  await store.look();
  deepEqual(changed.at(-1), ["cam", "tv"]);
  equal(store.problem, null);
});

Deno.test("what others have is refused, whoever asked first", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store } = open(directory.path);
  const set = (name: string, settings: Partial<typeof NO_SETTINGS>) =>
    store.change(name, (before) => ({ ...before, ...settings }));
  await set("cam", { address: "10.8.0.77", routes: ["192.168.7.0/24", "fd12:7::/64"] });
  await rejects(
    set("tv", { address: "10.8.0.77" }),
    /10\.8\.0\.77 is the address of both cam and tv/,
  );
  await rejects(set("tv", { routes: ["192.168.0.0/16"] }), /192\.168\.0\.0\/16 of tv overlaps/);
  await rejects(set("tv", { routes: ["fd12:7::8/128"] }), /overlaps one of another client/);
  deepEqual([...store.list()].map(([name]) => name), ["cam"]);
  await set("cam", { address: "10.8.0.78", routes: ["192.168.0.0/16"] });
  await set("tv", { address: "10.8.0.77", routes: ["192.169.0.0/24"] });
  for (let client = 0; client < ALL_ROUTES_MAX / 16; client++) {
    const routes = Array.from({ length: 16 }, (_, net) => `172.${client}.${net}.0/24`);
    if (client < ALL_ROUTES_MAX / 16 - 1) await set(`client ${client}`, { routes });
    else await rejects(set(`client ${client}`, { routes }), /258 routes in all, and 256 is the/);
  }
});

Deno.test("a file that cannot be used is told once, and what was read before stays in force", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store, warnings } = open(directory.path);
  await store.change("laptop", (before) => ({ ...before, rate: RATE }));
  const path = settingsFile(directory.path);
  const cases: [string, RegExp][] = [
    ["{", /is damaged; mend it/],
    ['{"version":2,"clients":{}}', /is damaged/],
    ['{"version":1,"clients":[]}', /is damaged/],
    ['{"version":1,"clients":{"a":{"colour":1}}}', /for a: colour is no setting of this version/],
    ['{"version":1,"clients":{"../x":{}}}', /a client of a name that none has/],
    [
      '{"version":1,"clients":{"a":{"address":"10.8.0.9"},"b":{"address":"10.8.0.9"}}}',
      /10\.8\.0\.9 is the address of both a and b/,
    ],
  ];
  for (const [text, words] of cases) {
    await Deno.writeTextFile(path, text);
    await store.look();
    await store.look();
    match(store.problem!, words);
    match(store.problem!, /those read before stay in force/);
    deepEqual(store.get("laptop").rate, RATE);
    await rejects(
      store.change("laptop", (before) => before),
      /Cannot read the settings of clients/,
    );
  }
  equal(warnings.length, new Set(warnings).size, "each is told once");
  await Deno.writeTextFile(path, '{"version":1,"clients":{"laptop":{"expires":"2027-01-31"}}}');
  await store.look();
  equal(warnings.at(-1), "the settings of clients are followed again");
  equal(store.problem, null);
  equal(store.get("laptop").expires, "2027-01-31");
});

Deno.test("a client may be called __proto__, and 65,000 clients may have an address each", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store, changed } = open(directory.path);
  await store.change("__proto__", (before) => ({ ...before, rate: RATE }));
  deepEqual(store.get("__proto__").rate, RATE);
  const clients = Array.from(
    { length: 65_000 },
    (_, client) => `"client ${client}":{"address":"10.8.${client >> 8}.${client & 255}"}`,
  );
  const text = `{"version":1,"clients":{${clients.join(",")}}}`;
  await Deno.writeTextFile(settingsFile(directory.path), text);
  await store.look();
  equal(changed.at(-1)!.length, 65_001);
  await store.change("client 64999", (before) => ({ ...before, address: "10.9.0.1" }));
  deepEqual(changed.at(-1), ["client 64999"]);
});

Deno.test("many settings are replaced in one step, but for those that others' stand against", async () => {
  await using directory = await TemporaryDirectory.create();
  const { store, changed } = open(directory.path);
  const address = (ipv4: string) => ({ ...NO_SETTINGS, address: ipv4 });
  await store.change("a", () => address("10.8.0.7"));
  await store.change("b", () => address("10.8.0.8"));
  await store.change("old", () => ({ ...NO_SETTINGS, rate: RATE }));
  changed.length = 0;
  const refused = await store.replace(
    new Map([
      ["a", address("10.8.0.8")],
      ["b", address("10.8.0.7")],
      ["c", address("10.8.0.7")],
      ["old", NO_SETTINGS],
      ["tv", { ...NO_SETTINGS, rate: RATE }],
    ]),
  );
  match(refused.get("c")!, /10\.8\.0\.7 is the address of both/);
  equal(changed.length, 1);
  deepEqual(store.get("tv").rate, RATE);
  deepEqual([...store.list()].map(([name]) => name).sort(), ["a", "b", "tv"]);
  const again = open(directory.path);
  await again.store.look();
  deepEqual(again.store.get("tv").rate, RATE);
});
