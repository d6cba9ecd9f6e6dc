import { deepEqual, equal, match, throws } from "node:assert/strict";
import { InterfaceError, type NetworkInterface } from "../../lib/host/links/network_interface.ts";
import type { Route } from "../../lib/host/routes/gateway/routing_table.ts";
import { networkInterface } from "../../testing/network_interface.ts";
import { LinkSelection } from "./link_selection.ts";

const SERVER = { address: "203.0.113.10", family: 4 } as const;

const route = (device: string, change: Partial<Route> = {}): Route => ({
  family: 4,
  destination: "0.0.0.0/0",
  table: "main",
  metric: 0,
  protocol: undefined,
  nextHops: [{ device, gateway: { address: "192.0.2.1", family: 4, onlink: false } }],
  ...change,
});

const machine = (interfaces: NetworkInterface[], routes: Route[] = []) => ({
  interfaces,
  routes: new Map([[4 as const, routes]]),
});

/** Looks, and returns the links as `id name`. */
function look(selection: LinkSelection, ...found: Parameters<typeof machine>): string {
  deepEqual(selection.follow(machine(...found), [SERVER]), []);
  return selection.links.map(({ id, name }) => `${id} ${name}`).join(", ");
}

const wan = (interfaceName: string, sourceAddress: string | null = null) => ({
  interfaceName,
  sourceAddress,
});

Deno.test("LinkSelection keeps the user's order, which gives the path ids", () => {
  deepEqual(new LinkSelection([wan("b"), wan("a", "192.0.2.2")], "fluxify").links, [
    { id: 0, name: "b", device: "b", sourceAddress: null },
    { id: 1, name: "a", device: "a", sourceAddress: "192.0.2.2" },
  ]);
});

Deno.test("LinkSelection tells links of one interface apart by their source addresses", () => {
  const { links } = new LinkSelection(
    [wan("a", "192.0.2.2"), wan("a", "192.0.2.3"), wan("a")],
    "fluxify",
  );
  deepEqual(links.map(({ name, device }) => [name, device]), [
    ["a (192.0.2.2)", "a"],
    ["a (192.0.2.3)", "a"],
    ["a (any address)", "a"],
  ]);
});

Deno.test("LinkSelection waits for names and source addresses that are not there, and says so", () => {
  const selection = new LinkSelection([wan("a", "198.51.100.9"), wan("x"), wan("b")], "fluxify");
  const others = [
    networkInterface("lo", { loopback: true }),
    networkInterface("fluxify", { pointToPoint: true }),
  ];
  const warnings = selection.check(
    machine([...others, networkInterface("a"), networkInterface("b")]),
  );
  equal(warnings.length, 2);
  match(
    warnings[0]!,
    /198\.51\.100\.9 does not belong to a, which has: 192\.0\.2\.2; .*when it has/,
  );
  match(warnings[1]!, /^link x is not there: it is used when it comes; this machine has: a, b$/);
  deepEqual(["x", "b"].map((name) => selection.isTold(name)), [true, false]);
});

Deno.test("LinkSelection without names wants two interfaces to be there, working or not", () => {
  const interfaces = [networkInterface("lo", { loopback: true }), networkInterface("a")];
  const check = () => new LinkSelection([], "fluxify").check(machine(interfaces));
  interfaces.push(networkInterface("fluxify"), networkInterface("wg0", { pointToPoint: true }));
  throws(check, /at least two interfaces, and this machine has: a; plug one in, or name .*-ifaces/);
  interfaces.push(networkInterface("b", { up: false, lowerUp: false, addresses: [] }));
  deepEqual(check(), []);
});

Deno.test("LinkSelection without names takes what leads out, and keeps it", () => {
  const selection = new LinkSelection([], "fluxify");
  const [a, b, docker] = ["a", "b", "docker0"].map((name) => networkInterface(name));
  equal(look(selection, [a!, b!, docker!], [route("a")]), "0 a");
  equal(look(selection, [a!, b!, docker!], [route("a"), route("b", { table: "100" })]), "0 a, 1 b");
  equal(look(selection, [a!], []), "0 a, 1 b");
});

Deno.test("LinkSelection without names takes a link straight to the server", () => {
  const near = route("a", {
    destination: "203.0.113.0/24",
    nextHops: [{ device: "a", gateway: undefined }],
  });
  equal(look(new LinkSelection([], "fluxify"), [networkInterface("a")], [near]), "0 a");
});

Deno.test("LinkSelection without names leaves out the tunnels of other VPNs, but not modems", () => {
  const names = ["wg0", "tun0", "ppp0"];
  const interfaces = names.map((name) => networkInterface(name, { pointToPoint: true }));
  const straight = (device: string) => [{ device, gateway: undefined }];
  const routes = [
    route("wg0", { table: "51820", nextHops: straight("wg0") }),
    route("tun0", { destination: "0.0.0.0/1", nextHops: straight("tun0") }),
    route("tun0", { destination: "203.0.113.0/24", nextHops: straight("tun0") }),
    route("ppp0", { nextHops: straight("ppp0") }),
  ];
  equal(look(new LinkSelection([], "fluxify"), interfaces, routes), "0 ppp0");
});

Deno.test("LinkSelection gives the place of a link that is gone to a new one, when all are taken", () => {
  const selection = new LinkSelection([], "fluxify");
  const names = Array.from({ length: 16 }, (_, index) => `eth${index}`);
  const interfaces = names.map((name) => networkInterface(name));
  const routes = [...names, "usb0"].map((name) => route(name));
  look(selection, interfaces, routes);
  const usb0 = networkInterface("usb0");
  const [warning] = selection.follow(machine([...interfaces, usb0], routes), [SERVER]);
  match(warning!, /^usb0 is left out: bonding takes at most 16 links.*-ifaces/);
  deepEqual(selection.follow(machine([...interfaces, usb0], routes), [SERVER]), [], "said once");
  match(
    look(selection, [...interfaces.filter(({ name }) => name !== "eth3"), usb0], routes),
    /3 usb0$/,
  );
  equal(selection.links.length, 16);
});

Deno.test("LinkSelection takes other links while it runs, and those that stay keep their paths", () => {
  const selection = new LinkSelection([wan("a", "192.0.2.2"), wan("b"), wan("c")], "fluxify");
  const [a, , c] = selection.links;
  selection.choose(["c", "d", "a", "d"]);
  deepEqual(selection.links, [
    c,
    { id: 1, name: "d", device: "d", sourceAddress: null },
    a,
  ]);
  for (const names of [["a"], [], Array.from({ length: 300 }, (_, at) => `l${at}`)]) {
    throws(() => selection.choose(names), InterfaceError);
  }
  equal(selection.links.length, 3);
  throws(() => selection.choose(["c", "a", "fluxify"]), /fluxify is no link/);
  throws(() => selection.choose(["c", "a", "lo"]), /lo is no link/);
  for (const name of ["../../etc", "-j", "a b", "", "x".repeat(16)]) {
    throws(() => selection.choose(["c", "a", name]), /cannot be the name of an interface/);
  }
  equal(selection.links.length, 3);

  const automatic = new LinkSelection([], "fluxify");
  const all = [networkInterface("a"), networkInterface("b"), networkInterface("c")];
  equal(look(automatic, all, all.map(({ name }) => route(name))), "0 a, 1 b, 2 c");
  automatic.choose(["a", "c"]);
  equal(automatic.isAutomatic, false);
  // Another one that leads out does not join any more.
  equal(look(automatic, all, all.map(({ name }) => route(name))), "0 a, 2 c");
});
