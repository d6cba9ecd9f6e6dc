import { equal, match } from "node:assert/strict";
import { explainFailure, place } from "./connection_failure.ts";

const TARGET = { server: "vpn.example", address: "2001:db8::1", port: 8443 };

Deno.test("explainFailure() knows the errors that a loopback test cannot make", () => {
  for (const code of ["EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EADDRNOTAVAIL"]) {
    const error = explainFailure(Object.assign(new Error(""), { code }), "connecting", TARGET);
    equal(error.code, "unreachable");
    match(error.message, new RegExp(`vpn\\.example \\(\\[2001:db8::1\\]:8443\\) \\(${code}\\)`));
  }
  const own = { code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" };
  const version = explainFailure(Object.assign(new Error(""), own), "TLS handshake", TARGET);
  equal(version.code, "not a control server");
});

Deno.test("place() names an address once", () => {
  equal(place({ ...TARGET, server: "2001:db8::1" }), "[2001:db8::1]:8443");
  equal(place({ server: "192.0.2.1", address: "192.0.2.1", port: 1 }), "192.0.2.1:1");
});
