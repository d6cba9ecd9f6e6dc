import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { TestDirectory } from "../../lib/host/journal/test_directory.ts";
import { ControlError } from "../control/control_error.ts";
import { type NamedAddress, SERVER_ADDRESSES_MAX } from "../control/resolve_server.ts";
import { ServerEndpoints } from "./server_endpoints.ts";

const RUNNING = new AbortController().signal;
const NOT_FOUND = new ControlError("name not found", "Cannot find it", { retryable: true });
const named = (address: string, host = "vpn.example.com"): NamedAddress => ({
  ...{ address, host },
  family: address.includes(":") ? 6 : 4,
});

/** Endpoints of a machine that has 192.0.2.2, and what DNS says. */
async function makeEndpoints(directory: TestDirectory) {
  const own = { family: "inet", local: "192.0.2.2", prefixlen: 24, scope: "global" };
  const link = { ifindex: 2, ifname: "a", flags: ["UP"], mtu: 1500, addr_info: [own] };
  const runner = new FakeRunner().on("ip -j address", JSON.stringify([link]));
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const dns: { answer: readonly NamedAddress[] | ControlError } = { answer: NOT_FOUND };
  const endpoints = new ServerEndpoints(
    journal,
    "vpn.example.com",
    (hosts) =>
      hosts !== "vpn.example.com"
        ? Promise.resolve(hosts.split(",").map((host) => named(host, host)))
        : dns.answer instanceof Error
        ? Promise.reject(dns.answer)
        : Promise.resolve(dns.answer),
  );
  const lookUp = async (...addresses: string[]) => {
    dns.answer = addresses.map((address) => named(address));
    return (await endpoints.lookUp(RUNNING)).map(({ address }) => address);
  };
  return { endpoints, dns, lookUp, all: () => endpoints.all.map(({ address }) => address) };
}

Deno.test("ServerEndpoints puts what DNS says now before what it said, and tells what is new", async () => {
  await using directory = await TestDirectory.create();
  const { endpoints, lookUp, all } = await makeEndpoints(directory);
  deepEqual(await lookUp("203.0.113.10", "2001:db8::10"), ["203.0.113.10", "2001:db8::10"]);
  const [before] = endpoints.all;
  deepEqual(await lookUp("203.0.113.77"), ["203.0.113.77"]);
  deepEqual(all(), ["203.0.113.77", "203.0.113.10", "2001:db8::10"]);
  deepEqual(await lookUp("203.0.113.10"), []);
  equal(all()[0], "203.0.113.10");
  equal(endpoints.all[0], before, "with its routes");
});

Deno.test("ServerEndpoints keeps what it knows when DNS does not answer, but not without end", async () => {
  await using directory = await TestDirectory.create();
  const { endpoints, dns, lookUp, all } = await makeEndpoints(directory);
  await rejects(endpoints.lookUp(RUNNING), NOT_FOUND);
  await lookUp("203.0.113.10");
  dns.answer = NOT_FOUND;
  deepEqual(await endpoints.lookUp(RUNNING), []);
  deepEqual(all(), ["203.0.113.10"]);
  for (let number = 1; number <= 20; number++) await lookUp(`203.0.113.${100 + number}`);
  equal(all().length, SERVER_ADDRESSES_MAX);
  equal(all()[0], "203.0.113.120");
});

Deno.test("ServerEndpoints has no routes to addresses of this machine", async () => {
  await using directory = await TestDirectory.create();
  const { endpoints, lookUp } = await makeEndpoints(directory);
  await lookUp("192.0.2.2", "127.0.0.1", "203.0.113.10");
  deepEqual(endpoints.all.map(({ routes }) => routes === null), [true, true, false]);
  ok(endpoints.all.every(({ host }) => host === "vpn.example.com"));
});

Deno.test("ServerEndpoints has the data plane where the server says, else where the control plane is", async () => {
  await using directory = await TestDirectory.create();
  const { endpoints, lookUp } = await makeEndpoints(directory);
  await lookUp("203.0.113.10");
  deepEqual(endpoints.data, endpoints.all);
  await endpoints.useForData(["203.0.113.77", "203.0.113.10"], RUNNING);
  deepEqual(endpoints.data.map(({ address }) => address), ["203.0.113.77", "203.0.113.10"]);
  const both = () => endpoints.both.map(({ address }) => address);
  deepEqual(both(), ["203.0.113.10", "203.0.113.77"]);
  deepEqual(await lookUp("203.0.113.10"), []);
  deepEqual(both(), ["203.0.113.10", "203.0.113.77"]);
  equal(endpoints.data[1]!.routes, endpoints.all[0]!.routes, "one address has one set of routes");
  await endpoints.useForData([], RUNNING);
  deepEqual(endpoints.data, endpoints.all);
});
