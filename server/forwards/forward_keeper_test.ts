import { deepEqual, equal, match } from "node:assert/strict";
import type { ForwardedPort } from "../../lib/host/firewall/port_forwards.ts";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { changeForwards, forwardFile } from "./forward_file.ts";
import { ForwardKeeper } from "./forward_keeper.ts";
import type { PortForward } from "./port_forward.ts";

const WEB: PortForward = {
  protocol: "tcp",
  port: 8080,
  client: "nas",
  clientPort: 80,
  from: null,
};

/** A keeper whose rules are a list, over a directory that is there for one test. */
function keep(directory: string) {
  const said: string[] = [];
  const addresses = new Map<string, { ipv4: string; ipv6: string }>();
  const kept = {
    sets: [] as (readonly ForwardedPort[])[],
    failure: null as Error | null,
    refused: [] as (4 | 6)[],
    nowMs: 0,
  };
  const keeper = new ForwardKeeper({
    directory,
    addressesOf: (client) => addresses.get(client) ?? null,
    ownPorts: new Set(["tcp 8443"]),
    rules: {
      set: (ports) => {
        if (kept.failure !== null) return Promise.reject(kept.failure);
        kept.sets.push(ports);
        const notice = "the firewall refuses";
        return Promise.resolve(kept.refused.map((family) => ({ family, notice })));
      },
    },
    nowMs: () => kept.nowMs,
    say: (line) => said.push(line),
    warn: (line) => said.push(line),
  });
  return { keeper, said, addresses, kept };
}

Deno.test("a forwarding is in force once its client has addresses, and follows them", async () => {
  await using directory = await TemporaryDirectory.create();
  const { keeper, said, addresses, kept } = keep(directory.path);
  await keeper.look();
  deepEqual([kept.sets, said], [[], []], "nothing to forward, nothing to do");

  await changeForwards(directory.path, () => [WEB]);
  await keeper.look();
  await keeper.look();
  deepEqual(said, ["port forward tcp 8080 waits for nas to connect for the first time"]);
  deepEqual(keeper.count, { listed: 1, inForce: 0 });

  for (const host of [2, 3]) {
    addresses.set("nas", { ipv4: `10.8.0.${host}`, ipv6: `fd00:8::${host}` });
    await keeper.look();
    await keeper.look();
    deepEqual(kept.sets.at(-1)?.map(({ toAddress }) => toAddress), [
      `10.8.0.${host}`,
      `fd00:8::${host}`,
    ]);
  }
  equal(kept.sets.length, 2);
  deepEqual(keeper.count, { listed: 1, inForce: 1 });

  await changeForwards(directory.path, () => []);
  await keeper.look();
  deepEqual(kept.sets.at(-1), []);
  equal(said.at(-1), "port forwards in force: 0 of 0");
});

Deno.test("a prefix says for which family; a port of the server itself goes to nobody", async () => {
  await using directory = await TemporaryDirectory.create();
  const { keeper, said, addresses, kept } = keep(directory.path);
  addresses.set("nas", { ipv4: "10.8.0.2", ipv6: "fd00:8::2" });
  await changeForwards(directory.path, () => [
    { ...WEB, from: "2001:db8::/32" },
    { ...WEB, port: 8443 },
  ]);
  await keeper.look();
  deepEqual(kept.sets[0]?.map(({ toAddress }) => toAddress), ["fd00:8::2"]);
  deepEqual(keeper.count, { listed: 2, inForce: 1 });
  match(said[0]!, /tcp 8443 is a port of this server itself/);
});

Deno.test("a damaged file and rules that are refused are said once, and mended when they can be", async () => {
  await using directory = await TemporaryDirectory.create();
  const { keeper, said, addresses, kept } = keep(directory.path);
  addresses.set("nas", { ipv4: "10.8.0.2", ipv6: "fd00:8::2" });
  await changeForwards(directory.path, () => [WEB]);
  await keeper.look();
  await Deno.writeTextFile(forwardFile(directory.path), "{");
  await keeper.look();
  await keeper.look();
  equal(said.length, 2);
  match(said[1]!, /^cannot follow the port forwards: .* is damaged; restore it /);
  deepEqual([kept.sets.length, keeper.count.inForce], [1, 1]);

  await Deno.remove(forwardFile(directory.path));
  kept.failure = new Error("the kernel refuses");
  await keeper.look();
  match(said.at(-1)!, /the kernel refuses/);
  kept.failure = null;
  await keeper.look();
  deepEqual(kept.sets.at(-1), []);
});

Deno.test("what the firewall refuses is not in force, and is tried again now and then", async () => {
  await using directory = await TemporaryDirectory.create();
  const { keeper, said, addresses, kept } = keep(directory.path);
  addresses.set("nas", { ipv4: "10.8.0.2", ipv6: "fd00:8::2" });
  await changeForwards(directory.path, () => [WEB, { ...WEB, port: 8081, from: "192.0.2.0/24" }]);
  kept.refused = [6];
  await keeper.look();
  deepEqual(keeper.count, { listed: 2, inForce: 1 });
  deepEqual(said, ["the firewall refuses", "port forwards in force: 1 of 2"]);
  kept.nowMs = 29_999;
  await keeper.look();
  equal(kept.sets.length, 1);
  kept.nowMs = 30_000;
  await keeper.look();
  deepEqual([kept.sets.length, said.length], [2, 2], "said once");
  kept.refused = [];
  kept.nowMs = 60_000;
  await keeper.look();
  deepEqual(keeper.count, { listed: 2, inForce: 2 });
  equal(said.at(-1), "port forwards in force: 2 of 2");
});
