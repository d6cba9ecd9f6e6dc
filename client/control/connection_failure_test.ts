import { equal, match } from "node:assert/strict";
import { TlsError } from "../../lib/ffi/libssl/tls_session.ts";
import { explainConnect, explainFailure, place } from "./connection_failure.ts";

const TARGET = { server: "vpn.example", address: "2001:db8::1", port: 8443 };

Deno.test("explainConnect() says which error of the network it was", () => {
  const errors = { 100: "ENETDOWN", 101: "ENETUNREACH", 113: "EHOSTUNREACH", 99: "EADDRNOTAVAIL" };
  for (const [number, name] of Object.entries(errors)) {
    const error = explainConnect(new Error(`Something (os error ${number})`), TARGET);
    equal(error.code, "unreachable");
    match(error.message, new RegExp(`vpn\\.example \\(\\[2001:db8::1\\]:8443\\) \\(${name}, `));
    match(error.message, /; check that the address is right, that this machine is online/);
  }
});

Deno.test("explainFailure() takes another version of TLS for another program", () => {
  const version = new TlsError("tlsv1 alert protocol version", 0);
  equal(explainFailure(version, "TLS handshake", TARGET).code, "not a control server");
});

Deno.test("place() names an address once", () => {
  equal(place({ ...TARGET, server: "2001:db8::1" }), "[2001:db8::1]:8443");
  equal(place({ server: "192.0.2.1", address: "192.0.2.1", port: 1 }), "192.0.2.1:1");
});
