import assert from "node:assert/strict";
import { FakeRunner } from "../../../../testing/fake_runner.ts";
import { networkInterface } from "../../../../testing/network_interface.ts";
import { findDefaultGateways } from "./default_gateways.ts";

const LINKS = ["wan1", "wan2", "wan3", "wan4"].map((name) => networkInterface(name));
const ROUTES = [
  { dst: "default", gateway: "192.0.2.1", dev: "wan1", metric: 100 },
  { dst: "default", gateway: "192.0.2.9", dev: "wan1", metric: 900 },
  { dst: "default", gateway: "198.51.100.1", dev: "wan2", table: "102", flags: ["onlink"] },
  { dst: "default", gateway: "10.0.0.1", dev: "wan3", table: "7703", protocol: "77" },
  {
    dst: "default",
    protocol: "77",
    metric: 1,
    nexthops: [{ gateway: "192.0.2.99", dev: "wan1" }, { gateway: "10.0.0.1", dev: "wan3" }],
  },
  { dst: "10.0.0.0/8", gateway: "10.5.0.1", dev: "wan4" },
];

function machine(routes: unknown) {
  return new FakeRunner()
    .on("ip -4 -j route show table all", JSON.stringify(routes))
    .on("ip -4 -j route get", { code: 2, stderr: "RTNETLINK answers: Network is unreachable" });
}

const question = {
  family: 4,
  links: LINKS,
} as const;
const hop = (device: string, address: string, onlink = false) => ({
  device,
  gateway: { address, family: 4, onlink },
});

Deno.test("findDefaultGateways() reads all tables but not our routes, and low metrics first", async () => {
  const found = await findDefaultGateways(machine(ROUTES), question);
  assert.deepEqual([...found], [
    ["wan1", hop("wan1", "192.0.2.1")],
    ["wan2", hop("wan2", "198.51.100.1", true)],
  ]);
});

Deno.test("findDefaultGateways() asks the kernel where no table says anything", async () => {
  const answer = (gateway: object) => JSON.stringify([{ dst: "192.0.2.1", ...gateway, flags: [] }]);
  const runner = machine(ROUTES)
    .on("ip -4 -j route get 192.0.2.1 oif wan3", answer({ dev: "wan3", gateway: "10.0.0.7" }))
    .on("ip -4 -j route get 192.0.2.1 oif wan4", answer({ dev: "wan4" }));
  const found = await findDefaultGateways(runner, question);
  assert.deepEqual(found.get("wan3"), hop("wan3", "10.0.0.7"));
  assert.equal(found.get("wan4"), undefined);

  const notFromKernel = new Set(["wan3"]);
  const own = await findDefaultGateways(runner, { ...question, notFromKernel });
  assert.equal(own.get("wan3"), undefined);
});

Deno.test("findDefaultGateways() takes a link with one other end without a gateway", async () => {
  const ppp = networkInterface("ppp0", { pointToPoint: true });
  const bare = networkInterface("ppp1", { pointToPoint: true, addresses: [] });
  const found = await findDefaultGateways(machine([]), { ...question, links: [ppp, bare] });
  assert.deepEqual([...found], [["ppp0", { device: "ppp0", gateway: undefined }]]);
});

Deno.test("findDefaultGateways() takes a default route without a gateway as it is", async () => {
  const routes = [{ dst: "default", dev: "wan1", scope: "link", flags: [] }];
  const found = await findDefaultGateways(machine(routes), {
    ...question,
    links: [networkInterface("wan1")],
  });
  assert.deepEqual([...found], [["wan1", { device: "wan1", gateway: undefined }]]);
});

Deno.test("findDefaultGateways() reads IPv6 gateways that are link-local", async () => {
  const runner = new FakeRunner().on(
    "ip -6 -j route show table all",
    JSON.stringify([{
      dst: "default",
      gateway: "fe80::1",
      dev: "wan1",
      protocol: "ra",
      flags: [],
    }]),
  );
  const found = await findDefaultGateways(runner, {
    ...question,
    family: 6,
    links: [networkInterface("wan1")],
  });
  assert.deepEqual(found.get("wan1")?.gateway, { address: "fe80::1", family: 6, onlink: false });
});
