import { equal, throws } from "node:assert/strict";
import { containsCidr } from "cidr-tools";
import fc from "fast-check";
import { ipv4Word, ipv6Words } from "./inner_address.ts";
import { prefixSet, PrefixTable } from "./prefix_table.ts";

function find<T>(table: PrefixTable<T>, address: string): T | undefined {
  if (!address.includes(":")) return table.find(4, 0, 0, 0, ipv4Word(address));
  return table.find(6, ...ipv6Words(address));
}

Deno.test("an address is found in the prefix around it, of its own family", () => {
  const table = new PrefixTable<string>();
  table.add("192.168.7.0/24", "home");
  table.add("10.0.0.0/8", "office");
  table.add("fd12:7::/32", "home");
  table.add("::/96", "low");
  const cases: [string, string | undefined][] = [
    ["192.168.7.0", "home"],
    ["192.168.7.255", "home"],
    ["192.168.8.0", undefined],
    ["192.168.6.255", undefined],
    ["10.255.255.255", "office"],
    ["9.255.255.255", undefined],
    ["fd12:7:ffff::1", "home"],
    ["fd12:8::", undefined],
    ["::10.1.1.1".replace("10.1.1.1", "a01:101"), "low"],
    ["255.255.255.255", undefined],
    ["0.0.0.0", undefined],
  ];
  for (const [address, value] of cases) equal(find(table, address), value, address);
  table.remove("home");
  equal(find(table, "192.168.7.1"), undefined);
  equal(find(table, "fd12:7::1"), undefined);
  equal(find(table, "10.0.0.1"), "office");
  equal(table.size, 2);
});

Deno.test("what is no prefix, or overlaps one, is refused", () => {
  const table = new PrefixTable<number>();
  table.add("10.8.0.0/16", 1);
  for (
    const prefix of ["10.8.0.0/16", "10.8.7.0/24", "10.0.0.0/8", "0.0.0.0/0", "10.8.255.255/32"]
  ) {
    throws(() => table.add(prefix, 2), /overlaps/, prefix);
  }
  for (const prefix of ["x", "10.8.0.0/33", ""]) {
    throws(() => table.add(prefix, 2), RangeError, prefix);
  }
  table.add("10.7.0.0/16", 2);
  table.add("10.9.0.0/16", 2);
  equal(table.size, 3);
});

Deno.test("property: a set has exactly the addresses of its prefixes", () => {
  const octet = fc.oneof(fc.constantFrom(0, 10, 255), fc.nat(255));
  const ipv4 = fc.array(octet, { minLength: 4, maxLength: 4 }).map((octets) => octets.join("."));
  const group = fc.oneof(fc.constantFrom(0, 0xfd00, 0xffff), fc.nat(0xffff));
  const ipv6 = fc.array(group, { minLength: 8, maxLength: 8 })
    .map((groups) => groups.map((each) => each.toString(16)).join(":"));
  const prefix = fc.oneof(
    fc.tuple(ipv4, fc.nat(32)).map(([address, length]) => `${address}/${length}`),
    fc.tuple(ipv6, fc.nat(128)).map(([address, length]) => `${address}/${length}`),
  );
  const list = fc.array(prefix, { maxLength: 20 });
  fc.assert(
    fc.property(list, fc.array(fc.oneof(ipv4, ipv6), { maxLength: 20 }), (prefixes, some) => {
      const set = prefixSet(prefixes);
      const edges = prefixes.map((each) => each.split("/")[0]!);
      for (const address of [...some, ...edges]) {
        const isIn = prefixes.length > 0 && containsCidr(prefixes, address);
        equal(find(set, address) ?? false, isIn, address);
      }
    }),
  );
});
