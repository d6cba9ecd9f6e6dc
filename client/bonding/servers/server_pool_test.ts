import { deepEqual, equal, rejects } from "node:assert/strict";
import { HostJournal } from "../../../lib/host/journal/host_journal.ts";
import { TestDirectory } from "../../../lib/host/journal/test_directory.ts";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { ControlError } from "../../control/control_error.ts";
import { ServerPool } from "./server_pool.ts";

const RUNNING = new AbortController().signal;

/** A pool of these servers, and what DNS says of each; names it does not know are not found. */
async function makePool(
  directory: TestDirectory,
  dns: Record<string, string[]>,
  ...names: string[]
) {
  const runner = new FakeRunner().on("ip -j address", "[]");
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  return new ServerPool(journal, names, "order", (hosts) => {
    const found = dns[hosts]?.map((address) => ({
      ...{ address, host: hosts },
      family: address.includes(":") ? 6 as const : 4 as const,
    }));
    return found !== undefined ? Promise.resolve(found) : Promise.reject(
      new ControlError("name not found", `Cannot find ${hosts}`, { retryable: true }),
    );
  });
}

Deno.test("the links lead to all servers, the data plane is that of one", async () => {
  await using directory = await TestDirectory.create();
  const dns = { a: ["203.0.113.10", "2001:db8::10"], b: ["203.0.113.20"] };
  const pool = await makePool(directory, dns, "a", "b");
  equal((await pool.lookUp(RUNNING)).length, 3);
  const addresses = (all: readonly { address: string }[]) => all.map(({ address }) => address);
  deepEqual(addresses(pool.both), ["203.0.113.10", "2001:db8::10", "203.0.113.20"]);
  deepEqual(addresses(pool.data), addresses(pool.both), "as long as none is in use");
  pool.use(1);
  deepEqual(addresses(pool.data), ["203.0.113.20"]);
  await pool.useForData(["192.0.2.1"], RUNNING).catch(() => {});
  deepEqual(pool.all.map((endpoint) => pool.indexOf(endpoint)), [0, 0, 1]);
  equal(pool.keepsRoutes, true);
});

Deno.test("a server that is not found keeps nobody from the others, and is not asked", async () => {
  await using directory = await TestDirectory.create();
  const dns: Record<string, string[]> = { b: ["203.0.113.20"] };
  const pool = await makePool(directory, dns, "a", "b");
  await pool.lookUp(RUNNING);
  deepEqual(pool.plan("first", 0), [1]);
  dns.a = ["203.0.113.10"];
  deepEqual((await pool.lookUp(RUNNING)).map(({ address }) => address), ["203.0.113.10"]);
  deepEqual(pool.plan("first", 0), [0, 1]);
  await rejects((await makePool(directory, {}, "a", "b")).lookUp(RUNNING), /Cannot find a/);
});

Deno.test("servers behind one address share its routes, and are told apart by name", async () => {
  await using directory = await TestDirectory.create();
  const pool = await makePool(directory, { a: ["203.0.113.10"], b: ["203.0.113.10"] }, "a", "b");
  await pool.lookUp(RUNNING);
  equal(pool.both.length, 1);
  const [one, other] = pool.all;
  equal(one!.routes, other!.routes);
  deepEqual([one!.host, other!.host], ["a", "b"]);
  deepEqual([pool.indexOf(one!), pool.indexOf(other!)], [0, 1]);
});

Deno.test("one server alone is in use from the start, and has no states to show", async () => {
  await using directory = await TestDirectory.create();
  const pool = await makePool(directory, { a: ["203.0.113.10"] }, "a");
  await pool.lookUp(RUNNING);
  pool.use(null);
  deepEqual([pool.used, pool.keepsRoutes, pool.states(0), pool.name], [0, false, [], "a"]);
});
