import { equal } from "node:assert/strict";
import { RequestGuard } from "./request_guard.ts";

const HOSTS = new Set(["localhost", "127.0.0.1", "::1"]);
const PLAIN = new RequestGuard({ hosts: HOSTS, port: 8078, scheme: "http" });
const TLS = new RequestGuard({ hosts: new Set(["page.example"]), port: 443, scheme: "https" });
const UNIX = new RequestGuard({ hosts: new Set(["page.example"]), port: null, scheme: null });

const OWN = {
  host: "127.0.0.1:8078",
  origin: "http://127.0.0.1:8078",
  "content-type": "application/json",
  "sec-fetch-site": "same-origin",
};

function status(
  guard: RequestGuard,
  method: string,
  headers: Record<string, string>,
  authority = "",
) {
  return guard.check(method, new Headers(headers), authority)?.status ?? 200;
}

Deno.test("a name that is not ours is refused, whatever leads here", () => {
  for (const host of ["127.0.0.1:8078", "localhost:8078", "LOCALHOST:8078", "[::1]:8078"]) {
    equal(status(PLAIN, "GET", { host }), 200, host);
  }
  const others = ["evil.example:8078", "127.0.0.1.evil.example:8078", "localhost", "localhost:80"];
  for (const host of [...others, "", "localhost:8078.evil.example", "x@localhost:8078"]) {
    equal(status(PLAIN, "GET", { host }), 403, host);
  }
  equal(status(TLS, "GET", { host: "page.example" }), 200);
  equal(status(TLS, "GET", { host: "page.example:8443" }), 403);
  equal(status(UNIX, "GET", { host: "page.example:8443" }), 200);
});

Deno.test("only our own page may change anything, and only in JSON", () => {
  equal(status(PLAIN, "POST", OWN), 200);
  const { origin: _, ...withoutOrigin } = OWN;
  equal(status(PLAIN, "POST", withoutOrigin), 403);
  for (
    const origin of [
      ...["http://evil.example", "null", "https://127.0.0.1:8078", "http://127.0.0.1:8079"],
      ...["http://localhost:8078", "http://127.0.0.1:8078.evil.example"],
    ]
  ) equal(status(PLAIN, "POST", { ...OWN, origin }), 403, origin);
  for (const site of ["cross-site", "same-site"]) {
    equal(status(PLAIN, "POST", { ...OWN, "sec-fetch-site": site }), 403, site);
  }
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    equal(status(PLAIN, "POST", { ...OWN, "content-type": type }), 415, type);
  }
  equal(status(TLS, "POST", { ...OWN, host: "page.example", origin: "https://page.example" }), 200);
  equal(status(TLS, "POST", { ...OWN, host: "page.example", origin: "http://page.example" }), 403);
});

Deno.test("another site may lead here, and read nothing", () => {
  const { host } = OWN;
  const foreign = { host, "sec-fetch-site": "cross-site" };
  equal(status(PLAIN, "GET", { ...foreign, "sec-fetch-mode": "navigate" }), 200);
  for (const mode of ["cors", "no-cors"]) {
    equal(status(PLAIN, "GET", { ...foreign, "sec-fetch-mode": mode }), 403, mode);
  }
  equal(status(PLAIN, "GET", { host, origin: "http://evil.example" }), 403);
});

Deno.test("where there is no Host, as in HTTP/2, the URL says who is asked", () => {
  equal(status(TLS, "GET", {}, "page.example"), 200);
  equal(status(TLS, "GET", {}, "evil.example"), 403);
  equal(status(TLS, "GET", { host: "evil.example" }, "page.example"), 403);
  const { host: _, ...own } = { ...OWN, origin: "https://page.example" };
  equal(status(TLS, "POST", own, "page.example"), 200);
  equal(status(TLS, "POST", { ...own, origin: "https://evil.example" }, "page.example"), 403);
});

Deno.test("other methods are refused", () => {
  for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) {
    equal(status(PLAIN, method, OWN), 405, method);
  }
});
