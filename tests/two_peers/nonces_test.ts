/** No nonce is used twice under a key, whatever happens in whatever order. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { VirtualNetwork } from "../../testing/virtual_network.ts";

type Step =
  | { kind: "client sends" | "server sends"; packets: number }
  | { kind: "wait"; ms: number }
  | { kind: "cut" | "mend" | "remove" | "add" | "kernel refuses" | "kernel sends"; path: number }
  | { kind: "roam"; path: number; port: number };

const PATH = fc.nat({ max: 2 });
const STEP: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("client sends" as const, "server sends" as const),
    packets: fc.integer({ min: 1, max: 40 }),
  }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 900 }) }),
  fc.record({
    kind: fc.constantFrom(
      ...(["cut", "mend", "remove", "add", "kernel refuses", "kernel sends"] as const),
    ),
    path: PATH,
  }),
  fc.record({
    kind: fc.constant("roam" as const),
    path: PATH,
    port: fc.integer({ min: 1, max: 9 }),
  }),
);

function take(network: VirtualNetwork, step: Step): void {
  const { client, server, now } = network;
  const { session } = client;
  switch (step.kind) {
    case "client sends":
    case "server sends": {
      const peer = step.kind === "client sends" ? client : server;
      for (let number = 0; number < step.packets; number++) {
        peer.sendPacket({ flow: number % 5, number }, now);
      }
      return;
    }
    case "wait":
      return network.run(step.ms);
    case "cut":
      network.links[step.path]!.cut = new Set(["up", "down"]);
      return;
    case "mend":
      return network.links[step.path]!.cut.clear();
    case "remove":
      return session.removePath(step.path, network.now);
    case "add":
      if (session.paths.byId(step.path) === null) network.addPath(step.path);
      return;
    case "kernel refuses":
    case "kernel sends": {
      const path = session.paths.byId(step.path);
      if (path === null) return;
      if (step.kind === "kernel refuses") session.linkFailed(path, now);
      else session.linkWorks(path, now);
      return;
    }
    case "roam":
      network.links[step.path]!.address.port = 5000 + 10 * step.path + step.port;
      return;
    default:
      step satisfies never;
  }
}

for (const x1 of [true, false]) {
  Deno.test(`${x1 ? "x1" : "v1"}: nonces are unique, keys are wiped once, state is bounded`, () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 60 }), fc.nat(), (steps, seed) => {
        using network = new VirtualNetwork({
          ...{ delaysMs: [5, 30, 90], x1, seed },
          epochLimits: { packets: 50, ms: 3000 },
        });
        for (const link of network.links) link.jitterMs = 20;
        // The suite throws for a nonce used twice and for a key used after it was wiped.
        for (const step of steps) take(network, step);
        // Two keys to send with, and for each to receive with at most three.
        ok(network.suite.live <= 8, `${network.suite.live} ciphers`);
        ok(network.server.session.paths.count <= 16);
        if (x1) equal(network.server.drops.get("not authentic"), 0);
      }),
      { numRuns: 40 },
    );
  });
}

Deno.test("free() wipes every key of both sides", () => {
  const network = new VirtualNetwork({
    ...{ delaysMs: [5, 80] },
    epochLimits: { packets: 1000, ms: 1000 },
  });
  network.run(4100);
  network[Symbol.dispose]();
  equal(network.suite.live, 0);
});

Deno.test("the two directions of x1 and their epochs have keys of their own", () => {
  using network = new VirtualNetwork({
    ...{ delaysMs: [5] },
    epochLimits: { packets: 1e6, ms: 1000 },
  });
  network.every(10, (now) => {
    network.client.sendPacket({ flow: 1, number: 1 }, now);
    network.server.sendPacket({ flow: 1, number: 1 }, now);
  });
  network.run(3500);
  equal(network.suite.noncesByKey.size, 8);
  const directions = [...network.suite.noncesByKey.values()].map((nonces) =>
    new Set([...nonces].map((nonce) => nonce.slice(0, 2)))
  );
  for (const seen of directions) equal(seen.size, 1);
  deepEqual(directions.map((seen) => [...seen][0]).sort(), [
    ...Array(4).fill("00"),
    ...Array(4).fill("01"),
  ]);
});
