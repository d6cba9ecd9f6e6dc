import { deepEqual, equal, throws } from "node:assert/strict";
import { formatListenAddress, parseListenAddress } from "./listen_address.ts";

Deno.test("parseListenAddress() takes a port, or an address with one", () => {
  for (
    const [text, host, written] of [
      ["9477", "127.0.0.1", "127.0.0.1:9477"],
      ["localhost:9477", "127.0.0.1", "127.0.0.1:9477"],
      ["192.0.2.1:9477", "192.0.2.1", "192.0.2.1:9477"],
      ["[::1]:9477", "::1", "[::1]:9477"],
    ] as const
  ) {
    const address = parseListenAddress("-x", text);
    deepEqual(address, { host, port: 9477 });
    equal(formatListenAddress(address), written);
  }
});

Deno.test("parseListenAddress() refuses all else", () => {
  for (
    const text of ["", "0", "65536", ":9477", "::1:9477", "[127.0.0.1]:1", "a.example:1", "1.2.3.4"]
  ) {
    throws(() => parseListenAddress("-x", text), /-x must be a port, or an IP address and a port/);
  }
});
