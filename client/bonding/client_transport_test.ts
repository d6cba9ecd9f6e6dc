import { deepEqual } from "node:assert/strict";
import { behindProxy, frontAddress } from "./client_transport.ts";

const PROXY = { host: "10.0.0.1", port: 3128, authorization: null };
const FOUND = [{ address: "10.0.0.1", family: 4 as const }, {
  address: "fd00::1",
  family: 6 as const,
}];

Deno.test("behind a proxy each server is at the proxy's addresses, and goes by its own name", () => {
  const hosts = ["a.example", "[2001:db8::10],b.example"].map((server) =>
    behindProxy(FOUND, server).map(({ address, host }) => `${host} at ${address}`)
  );
  deepEqual(hosts, [
    ["a.example at 10.0.0.1", "a.example at fd00::1"],
    ["2001:db8::10 at 10.0.0.1", "2001:db8::10 at fd00::1"],
  ]);
});

Deno.test("the kill switch lets the proxy be reached in the place of the server", () => {
  const server = { server: "a.example", controlPort: 8443 };
  deepEqual(frontAddress(server, null), server);
  deepEqual(frontAddress(server, PROXY), { server: "10.0.0.1", controlPort: 3128 });
});
