import { deepEqual, equal, match } from "node:assert/strict";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { initAuthority, newCertificate } from "../certificates/certificate_command.ts";
import { listClients, setClient, showClient, unsetClient } from "./client_command.ts";
import { type ClientSettings, SETTING_WORDS } from "./client_settings.ts";
import { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { writeNetwork } from "../sessions/network_file.ts";
import { writeUsageCopy } from "../store/shared/usage_copy.ts";
import { ClientUsage } from "./client_usage.ts";

const NOW = new Date(2026, 10, 28, 12);

/** A tree with the clients "laptop" and "cam". */
async function tree(stack: AsyncDisposableStack, format: "text" | "json" = "text") {
  const { path } = stack.use(await TemporaryDirectory.create());
  const options = { directory: path, folders: [path], format, now: NOW };
  await initAuthority({ ...options, format: "text", hosts: [] });
  for (const name of ["laptop", "cam"]) await newCertificate({ ...options, name });
  const set = (name: string, settings: Partial<ClientSettings>) =>
    setClient({ ...options, name, settings, overlaps: [] });
  return { path, options, set };
}

Deno.test("settings add up, are shown and listed, and are taken back one by one", async () => {
  await using stack = new AsyncDisposableStack();
  const { options, set, path } = await tree(stack);
  match((await listClients(options)).lines.join(), /No client has settings/);
  match(
    (await showClient({ ...options, name: "laptop" })).lines.join(),
    /laptop has no settings: "fluxify-server client set laptop/,
  );
  await set("laptop", { rate: { down: 6_250_000, up: 1_250_000 } });
  const both = await set("laptop", { quotaBytes: 1e11, address: "10.8.0.77" });
  equal(both.exitCode, 0);
  match(
    both.lines.join("\n"),
    /rate +50\.0 Mbit\/s down, 10\.0 Mbit\/s up\nquota +0 B of 100 GB this month\naddress +10\.8\.0\.77\nA running/,
  );
  {
    await using usage = await ClientUsage.open({ directory: path, warn: () => {}, now: () => NOW });
    usage.add("laptop", 42e9);
  }
  await set("cam", { reach: ["10.1.0.0/16"], routes: ["192.168.7.0/24"], expires: "2027-01-31" });
  const listed = await listClients(options);
  match(listed.lines[0]!, /^NAME +RATE +QUOTA +EXPIRES +REACH +ADDRESS +ROUTES$/);
  match(listed.lines[1]!, /^cam +- +- +2027-01-31 +10\.1\.0\.0\/16 +- +192\.168\.7\.0\/24$/);
  match(listed.lines[2]!, /^laptop .* 42\.0 GB of 100 GB this month +- +- +10\.8\.0\.77 +-$/);
  const one = await unsetClient({ ...options, name: "laptop", which: ["rate"] });
  deepEqual(one.lines.map((line) => line.split(/\s+/)[0]), ["client", "quota", "address"]);
  const all = await unsetClient({ ...options, name: "laptop", which: SETTING_WORDS });
  deepEqual(all.lines, ["laptop has no settings any more"]);
  const again = await unsetClient({ ...options, name: "laptop", which: SETTING_WORDS });
  equal(again.exitCode, 1);
  match(again.errorLines.join(), /laptop has no settings; "fluxify-server client list"/);
});

Deno.test("who is no client, and what others or the machine have, is refused", async () => {
  await using stack = new AsyncDisposableStack();
  const { options, set } = await tree(stack);
  const nobody = await set("nobody", { address: "10.8.0.9" });
  equal(nobody.exitCode, 1);
  match(nobody.errorLines.join(), /nobody/);
  equal((await showClient({ ...options, name: "nobody" })).exitCode, 1);
  await set("cam", { address: "10.8.0.77" });
  const taken = await set("laptop", { address: "10.8.0.77" });
  equal(taken.exitCode, 1);
  match(taken.errorLines.join(), /10\.8\.0\.77 is the address of both cam and laptop; choose/);
  const overlaps = [{ device: "eth0", address: "192.168.7.5/24", subnet: "192.168.0.0/16" }];
  const near = await setClient({
    ...options,
    name: "laptop",
    settings: { routes: ["192.168.0.0/16"] },
    overlaps,
  });
  equal(near.exitCode, 1);
  match(
    near.errorLines.join(),
    /192\.168\.0\.0\/16 cannot be behind laptop: eth0 of this machine has 192\.168\.7\.5\/24/,
  );
  const over = await set("laptop", { expires: "2026-11-27" });
  match(over.errorLines.join(), /2026-11-27 is over: laptop is not let in from now on/);
});

Deno.test("programs get all of it as JSON", async () => {
  await using stack = new AsyncDisposableStack();
  const { options, set } = await tree(stack, "json");
  await set("laptop", { quotaBytes: 1e9 });
  const nothing = { rate: null, expires: null, reach: null, address: null, routes: [] };
  const laptop = { name: "laptop", ...nothing, quotaBytes: 1e9, usedBytes: 0 };
  deepEqual(JSON.parse((await listClients(options)).lines.join()), [laptop]);
  deepEqual(JSON.parse((await showClient({ ...options, name: "laptop" })).lines.join()), laptop);
  deepEqual(JSON.parse((await showClient({ ...options, name: "cam" })).lines.join()), {
    ...laptop,
    ...{ name: "cam", quotaBytes: null, usedBytes: null },
  });
});

Deno.test("an address outside the server's network is refused, once a server has told what that is", async () => {
  await using stack = new AsyncDisposableStack();
  const { set, path, options } = await tree(stack);
  const early = await set("laptop", { address: "10.9.0.77" });
  equal(early.exitCode, 0);
  match(early.errorLines.join(), /no server has started with this folder yet.* 10\.9\.0\.77/);
  await writeNetwork(path, new TunnelNetwork("10.8.0.0/24", "fd00:8::/64"));
  const cases: [Partial<ClientSettings>, RegExp][] = [
    [
      { address: "10.9.0.78" },
      /10\.9\.0\.78 is no address of a client in 10\.8\.0\.0\/24.* -network/,
    ],
    [{ address: "10.8.0.1" }, /10\.8\.0\.1 (is no address of a client|.*does not end in)/],
    [{ address: "10.8.0.255" }, /10\.8\.0\.255/],
    [{ routes: ["10.0.0.0/8"] }, /cannot be behind laptop: it overlaps 10\.8\.0\.0\/24/],
    [{ routes: ["fd00:8::/80"] }, /it overlaps fd00:8::\/64/],
  ];
  for (const [settings, words] of cases) {
    const { exitCode, errorLines } = await set("laptop", settings);
    equal(exitCode, 1);
    match(errorLines.join(), words);
  }
  match((await showClient({ ...options, name: "laptop" })).lines.join(), /10\.9\.0\.77/);
  const inside = await set("laptop", { address: "10.8.0.77" });
  deepEqual([inside.exitCode, inside.errorLines], [0, []]);
  await Deno.writeTextFile(`${path}/network.json`, "{");
  equal((await set("laptop", { address: "10.8.0.78" })).exitCode, 0);
});

Deno.test("what is shown of a quota is what all servers have counted this month", async () => {
  await using stack = new AsyncDisposableStack();
  const { set, path, options } = await tree(stack);
  await set("laptop", { quotaBytes: 1e11 });
  {
    await using usage = await ClientUsage.open({ directory: path, warn: () => {}, now: () => NOW });
    usage.add("laptop", 42e9);
  }
  const months = new Map([["2026-11", 8e9], ["2026-10", 1e9]]);
  const others = new Map([["a".repeat(16), { by: "b".repeat(16), months }]]);
  const clients = new Map([["laptop", { own: new Map(), others }]]);
  await writeUsageCopy(path, { id: "c".repeat(16), run: "d".repeat(16), clients });
  const shown = await showClient({ ...options, name: "laptop" });
  match(shown.lines.join(), /50\.0 GB of 100 GB this month/);
});
