import { deepEqual, equal, rejects } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { LinkResolvers } from "../../lib/host/dns/link_resolvers.ts";
import type { ServerAddress } from "../control/resolve_server.ts";
import { ServerLookUp } from "./server_lookup.ts";

const FOUND: ServerAddress[] = [{ address: "203.0.113.7", family: 4 }];
const RUNNING = new AbortController().signal;

function lookUp(askSystem: () => Promise<ServerAddress[]>) {
  const allowed: number[] = [];
  const found = new ServerLookUp({
    libc: Libc.open(),
    runner: new FakeRunner().on("ip -j address", "[]"),
    protection: {
      allowLookUps: (resolvers) => {
        allowed.push(resolvers.length);
        return Promise.resolve();
      },
    },
    changesDns: true,
    askSystem,
    resolvers: new LinkResolvers("/nonexistent"),
  });
  return { found, allowed };
}

const ROUTE = {
  link: "none0",
  nextHop: {
    device: "none0",
    gateway: { address: "192.0.2.1", family: 4 as const, onlink: false },
  },
  endpoint: { ...FOUND[0]!, host: "vpn.example.com", routes: null },
  isInUse: true,
  isKept: false,
};

Deno.test("who has an answer of the machine's own DNS asks nobody else", async () => {
  const { found, allowed } = lookUp(() => Promise.resolve(FOUND));
  found.follow({ controlRoutes: () => [ROUTE] });
  deepEqual(await found.find("vpn.example.com", RUNNING), FOUND);
  deepEqual(allowed, []);
});

Deno.test("the kill switch is opened for the time of the questions", async () => {
  const dead = () => Promise.reject(new Error("no answer"));
  const { found, allowed } = lookUp(dead);
  await rejects(found.find("vpn.example.com", RUNNING), /no answer/);
  deepEqual(allowed, [], "there are no links yet");
  found.follow({ controlRoutes: () => [ROUTE] });
  await rejects(found.find("vpn.example.com", RUNNING), /no answer/);
  deepEqual(allowed, [1, 0]);
});

Deno.test("the machine's DNS is asked once at a time, and what it finds late counts", async () => {
  const late = Promise.withResolvers<ServerAddress[]>();
  let asked = 0;
  const { found } = lookUp(() => {
    asked++;
    return late.promise;
  });
  const stop = new AbortController();
  const both = [found.find("vpn.example.com", stop.signal), found.find("vpn.example.com", RUNNING)];
  stop.abort();
  late.resolve(FOUND);
  deepEqual(await Promise.all(both), [FOUND, FOUND]);
  equal(asked, 1);
});
