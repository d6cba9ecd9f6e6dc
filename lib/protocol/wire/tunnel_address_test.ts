import { equal, match, ok } from "node:assert/strict";
import fc from "fast-check";
import { isClientIpv4, isClientIpv6 } from "./tunnel_address.ts";

Deno.test("isClientIpv4() takes hosts 2 to 254 of a unicast /24", () => {
  for (const text of ["10.8.0.2", "10.8.0.254", "192.168.7.9", "1.0.0.2", "223.255.255.254"]) {
    equal(isClientIpv4(text, 24), true, text);
  }
});

Deno.test("isClientIpv4() refuses anything else", () => {
  const refused = ["", "10.8.0.0", "10.8.0.1", "10.8.0.255", "10.8.0.256", "10.8.0", "10.8.0.2.3"];
  refused.push("10.8.0.02", "010.8.0.2", " 10.8.0.2", "10.8.0.2 ", "10.8.0.2\n", "10.8.0.2/24");
  refused.push(
    "0.8.0.2",
    "127.0.0.2",
    "224.0.0.2",
    "255.8.0.2",
    "10.8.0.-2",
    "10.8.0.x",
    "0xa.8.0.2",
  );
  refused.push("10..0.2", "10.8.0.1e1", "168296450", "::2", "fd00::2");
  for (const text of refused) equal(isClientIpv4(text, 24), false, JSON.stringify(text));
});

Deno.test("isClientIpv4() takes any host but the first, the server and the last of its network", () => {
  for (const text of ["10.8.0.0", "10.8.0.1", "10.8.255.255"]) {
    equal(isClientIpv4(text, 16), false, text);
  }
  for (const text of ["10.8.0.2", "10.8.0.255", "10.8.1.0", "10.8.1.1", "10.8.255.254"]) {
    equal(isClientIpv4(text, 16), true, text);
  }
  for (const [host, isTaken] of [[8, false], [9, false], [10, true], [14, true], [15, false]]) {
    equal(isClientIpv4(`192.168.7.${host}`, 29), isTaken, `${host}`);
  }
});

Deno.test("isClientIpv6() takes unicast hosts but the server's", () => {
  const taken = [
    "fd00:8:0::2",
    "FD00:8::2",
    "fd00:8:0:0:0:0:0:2",
    "fd00:8:0:0::1:1",
    "2001:db8::ffff",
  ];
  taken.push("fd00:8:0:0:1::", "1:2:3:4:5:6:7::");
  for (const text of taken) equal(isClientIpv6(text), true, text);
});

Deno.test("isClientIpv6() refuses anything else", () => {
  const refused = ["", ":", "::", "::1", "::2", "fd00:8::", "fd00:8::1", "fd00:8:0:0:0:0:0:1"];
  refused.push(
    "ff02::2",
    "fe80::2",
    "febf::2",
    "fd00::2%eth0",
    "fd00::2/64",
    "[fd00::2]",
    "fd00::g",
  );
  refused.push("fd00::12345", "fd00:::2", "fd00::8::2", "fd00:8:0:2", "1:2:3:4:5:6:7:8:9");
  refused.push(
    "1:2:3:4::5:6:7:8",
    ":1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7:",
    "fd00::10.8.0.2",
    " fd00::2",
  );
  refused.push("fd00::2 ", "fd00::2\n", "10.8.0.2");
  for (const text of refused) equal(isClientIpv6(text), false, JSON.stringify(text));
});

Deno.test("property: what isClientIpv4() takes is what the URL parser reads unchanged", () => {
  const octet = fc.oneof(fc.nat({ max: 300 }).map(String), fc.string({ maxLength: 3 }));
  fc.assert(fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
    const text = octets.join(".");
    if (isClientIpv4(text, 24)) equal(new URL(`http://${text}/`).hostname, text);
  }));
});

Deno.test("property: isClientIpv6() agrees with the URL parser on the form", () => {
  const group = fc.oneof(fc.constantFrom("", "0", "1", "fd00"), fc.nat({ max: 0xfffff }).map(hex));
  const texts = fc.array(group, { minLength: 2, maxLength: 9 }).map((groups) => groups.join(":"));
  fc.assert(
    fc.property(texts, (rest) => {
      const text = `fd00:${rest}`;
      const url = URL.parse(`http://[${text}]/`);
      if (isClientIpv6(text)) return ok(url !== null, text);
      // Refused: then it is no address, or the server's or the network's own.
      if (url !== null) match(url.hostname, /^\[fd00:.*:1?\]$/);
    }),
    { numRuns: 500 },
  );
});

function hex(number: number): string {
  return number.toString(16);
}
