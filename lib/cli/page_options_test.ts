import { deepEqual, equal, throws } from "node:assert/strict";
import { UsageError } from "./exit.ts";
import { namesOf, pageOptions, parsePageAddress } from "./page_options.ts";

const HERE = { host: "127.0.0.1", port: 8078 };
const FILES = { webCert: "/a.pem", webKey: "/a.key" };

function refused(raw: Parameters<typeof pageOptions>[0], text: RegExp): void {
  throws(
    () => pageOptions(raw),
    (error) => error instanceof UsageError && text.test(error.message),
  );
}

Deno.test("without -web there is no page, and nothing that only a page has", () => {
  equal(pageOptions({}), null);
  for (const raw of [{ webCert: "/a" }, { webKey: "/a" }, { webHosts: ["a"] }]) {
    refused(raw, /need -web ADDRESS/);
  }
});

Deno.test("without a certificate the page is of this machine", () => {
  for (const host of ["127.0.0.1", "127.8.9.1", "::1"]) {
    const listen = { host, port: 8078 };
    deepEqual(pageOptions({ web: listen }), { listen, certificate: null, hosts: [] });
  }
  const socket = { path: "/run/page.sock" };
  deepEqual(pageOptions({ web: socket, webHosts: ["a.example"] }), {
    ...{ listen: socket, certificate: null, hosts: ["a.example"] },
  });
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "128.0.0.1", "fd00::1", "::2"]) {
    refused({ web: { host, port: 8078 } }, /only with a certificate: give -web-cert and -web-key/);
  }
});

Deno.test("certificate and key come together, and for an address", () => {
  for (const host of ["0.0.0.0", "127.0.0.1", "2001:db8::1"]) {
    const options = pageOptions({ web: { host, port: 443 }, ...FILES });
    deepEqual(options?.certificate, { certFile: "/a.pem", keyFile: "/a.key" });
  }
  refused({ web: HERE, webCert: "/a.pem" }, /give both or none/);
  refused({ web: HERE, webKey: "/a.key" }, /give both or none/);
  refused({ web: { path: "/run/page.sock" }, ...FILES }, /before a unix socket does the TLS/);
});

Deno.test("an address is a port, an address with a port, or a whole path", () => {
  deepEqual(parsePageAddress("-web", "127.0.0.1:8078"), HERE);
  deepEqual(parsePageAddress("-web", "[::1]:80"), { host: "::1", port: 80 });
  const longest = `/${"x".repeat(106)}`;
  deepEqual(parsePageAddress("-web", `unix:${longest}`), { path: longest });
  for (const text of ["unix:", "unix:page.sock", `unix:${longest}x`, `unix:/${"é".repeat(54)}`]) {
    throws(() => parsePageAddress("web", text), /^UsageError: web must be unix: and a whole path/);
  }
  for (const text of ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "host:x"]) {
    throws(() => parsePageAddress("-web", text), UsageError, text);
  }
});

Deno.test("what is no certificate has no names", () => {
  for (const text of ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]) {
    throws(() => namesOf(text), /^Error: Cannot read the certificate of -web-cert: /);
  }
});
