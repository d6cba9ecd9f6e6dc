import assert from "node:assert/strict";
import { familyOf, hostPrefix, isLoopback, prefixContains, sameAddress } from "./address.ts";

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
