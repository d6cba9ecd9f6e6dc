import { deepEqual, equal, match } from "node:assert/strict";
import { networkInterface } from "../../testing/network_interface.ts";
import { NO_SETTINGS } from "./client_settings.ts";
import { RouteKeeper } from "./route_keeper.ts";

function keep() {
  const state = {
    routes: new Map<string, string[]>(),
    routed: [] as string[][],
    permitted: [] as string[][],
    used: [] as string[][],
    lines: [] as string[],
    notices: [] as string[],
    elsewhere: [] as string[],
    failure: null as Error | null,
  };
  const keeper = new RouteKeeper({
    store: {
      *list() {
        for (const [name, routes] of state.routes) {
          yield [name, { ...NO_SETTINGS, routes }] as const;
        }
      },
    },
    tun: "tunnel",
    networks: ["10.8.0.0/24", "fd00:8::/64"],
    interfaces: () => Promise.resolve([networkInterface("eth0")]),
    routes: {
      follow: (prefixes) => {
        if (state.failure !== null) return Promise.reject(state.failure);
        state.routed.push([...prefixes]);
        return Promise.resolve(state.notices);
      },
      get elsewhere() {
        return new Set(state.elsewhere);
      },
    },
    permit: (prefixes) => {
      state.permitted.push([...prefixes]);
      return Promise.resolve([]);
    },
    use: (prefixes) => void state.used.push([...prefixes]),
    warn: (line) => void state.lines.push(line),
  });
  return { keeper, state };
}

Deno.test("networks behind clients are led to, permitted and used, and no longer", async () => {
  const { keeper, state } = keep();
  await keeper.look();
  deepEqual(state.routed, [], "nothing is prescribed, and nothing is touched");
  state.routes.set("cam", ["192.168.9.0/24", "fd12::/48"]);
  await keeper.look();
  await keeper.look();
  deepEqual(state.routed.at(-1), ["192.168.9.0/24", "fd12::/48"]);
  deepEqual(state.permitted, [["192.168.9.0/24", "fd12::/48"]], "once, as nothing changed");
  deepEqual(state.used.at(-1), ["192.168.9.0/24", "fd12::/48"]);
  state.routes.clear();
  await keeper.look();
  deepEqual([state.routed.at(-1), state.permitted.at(-1), state.used.at(-1)], [[], [], []]);
  deepEqual(state.lines, []);
});

Deno.test("what the tunnel or the machine itself has leads to no client, and is said once", async () => {
  const { keeper, state } = keep();
  state.routes.set("cam", ["10.8.0.128/25", "192.0.0.0/16", "224.0.0.0/4", "172.16.0.0/16"]);
  await keeper.look();
  await keeper.look();
  deepEqual(state.used.at(-1), ["172.16.0.0/16"]);
  equal(state.lines.length, 3);
  match(state.lines[0]!, /10\.8\.0\.128\/25 does not lead to cam: it overlaps 10\.8\.0\.0\/24/);
  match(state.lines[1]!, /192\.0\.0\.0\/16 .* overlaps 192\.0\.2\.2\/24 of eth0/);
  match(state.lines[2]!, /224\.0\.0\.0\/4 .* overlaps 224\.0\.0\.0\/3/);
});

Deno.test("what cannot be done is said once, and tried again", async () => {
  const { keeper, state } = keep();
  state.routes.set("cam", ["172.16.0.0/16"]);
  state.failure = new Error("no ip here");
  await keeper.look();
  await keeper.look();
  deepEqual(state.lines, ["cannot follow the routes to networks behind clients: no ip here"]);
  deepEqual(state.used, []);
  state.failure = null;
  state.notices = ["172.16.0.0/16 has a route to eth1 already"];
  state.elsewhere = ["172.16.0.0/16"];
  await keeper.look();
  equal(state.lines.length, 2);
  deepEqual(state.used, [[]], "no client speaks for what leads elsewhere");
  state.elsewhere = [];
  await keeper.look();
  deepEqual(state.used.at(-1), ["172.16.0.0/16"]);
});
