import assert from "node:assert/strict";
import {
  canonicalPrefix,
  familyOf,
  hostPrefix,
  isLoopback,
  prefixContains,
  sameAddress,
} from "./address.ts";

Deno.test("familyOf() tells the families apart and refuses the rest", () => {
  assert.equal(familyOf("192.0.2.1"), 4);
  assert.equal(familyOf("2001:db8::1"), 6);
  for (const text of ["", "1.2.3", "localhost", "fe80::1%eth0", "10.0.0.1/24", "-1"]) {
    assert.throws(() => familyOf(text), RangeError, text);
  }
});

Deno.test("sameAddress() compares addresses, not spellings", () => {
  assert.ok(sameAddress("FD00:0:0::1", "fd00::1"));
  assert.ok(!sameAddress("10.0.0.1", "10.0.0.2"));
  assert.ok(!sameAddress("::", "0.0.0.0"));
});

Deno.test("prefixContains() never answers across families", () => {
  assert.ok(prefixContains("10.8.0.0/24", "10.8.0.255"));
  assert.ok(!prefixContains("10.8.0.0/24", "10.8.1.0"));
  assert.ok(prefixContains("::/0", "2001:db8::1"));
  assert.ok(!prefixContains("::/0", "10.8.0.1"));
  assert.ok(!prefixContains("0.0.0.0/0", "2001:db8::1"));
});

Deno.test("hostPrefix() and isLoopback()", () => {
  assert.equal(hostPrefix("192.0.2.1"), "192.0.2.1/32");
  assert.equal(hostPrefix("2001:db8::1"), "2001:db8::1/128");
  for (const address of ["127.0.0.1", "127.9.9.9", "::1", "0:0::1", "::ffff:127.0.0.1"]) {
    assert.ok(isLoopback(address), address);
  }
  for (const address of ["128.0.0.1", "::2", "10.0.0.1", "::ffff:10.0.0.1"]) {
    assert.ok(!isLoopback(address), address);
  }
});

Deno.test("canonicalPrefix() clears the bits of hosts, and refuses what is no prefix", () => {
  assert.equal(canonicalPrefix("192.0.2.7/24"), "192.0.2.0/24");
  assert.equal(canonicalPrefix("192.0.2.7"), "192.0.2.7/32");
  assert.equal(canonicalPrefix("2001:DB8:0::1/032"), "2001:db8::/32");
  assert.equal(canonicalPrefix("2001:DB8:0::1"), "2001:db8::1/128");
  assert.equal(canonicalPrefix("0.0.0.0/0"), "0.0.0.0/0");
  for (
    const text of [
      "",
      "/24",
      "192.0.2.0/",
      "192.0.2.0/33",
      "::/129",
      "fe80::%eth0/64",
      "1.2.3.0/-1",
    ]
  ) {
    assert.throws(() => canonicalPrefix(text), RangeError, text);
  }
});
