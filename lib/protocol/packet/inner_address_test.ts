import { deepEqual, equal, throws } from "node:assert/strict";
import { ipv4Word, ipv6Words } from "./inner_address.ts";

Deno.test("ipv4Word() is what a DataView reads of the address, as int32", () => {
  equal(ipv4Word("10.8.0.2"), 0x0a080002);
  equal(ipv4Word("255.255.255.255"), -1);
  equal(ipv4Word("128.0.0.0"), -0x80000000);
});

Deno.test("ipv6Words() is four int32, most significant first", () => {
  deepEqual(ipv6Words("fd00:8::2"), [0xfd000008 | 0, 0, 0, 2]);
  deepEqual(ipv6Words("::ffff:10.8.0.2"), [0, 0, 0xffff, 0x0a080002]);
  deepEqual(ipv6Words("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), [-1, -1, -1, -1]);
});

Deno.test("what is no address is refused by name", () => {
  for (const text of ["", "10.8.0", "10.8.0.2/24", "fd00::1", "host"]) {
    throws(() => ipv4Word(text), /Cannot read IPv4 address/);
  }
  for (const text of ["", "10.8.0.2", "fd00::1/64", "fd00:::1"]) {
    throws(() => ipv6Words(text), /Cannot read IPv6 address/);
  }
});
