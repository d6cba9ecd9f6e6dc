import { equal, ok } from "node:assert/strict";
import { ipv6Words } from "../packet/inner_address.ts";
import { PeerAddress } from "./peer_address.ts";

function address(text: string, port: number): PeerAddress {
  const made = new PeerAddress();
  [made.a0, made.a1, made.a2, made.a3] = ipv6Words(text);
  made.port = port;
  return made;
}

Deno.test("toString() is what people know", () => {
  for (
    const [text, shown] of [
      ["::ffff:203.0.113.7", "203.0.113.7"],
      ["::ffff:255.255.255.255", "255.255.255.255"],
      ["2001:db8::7", "[2001:db8::7]"],
      ["::1", "[::1]"],
      ["::", "[::]"],
      ["fe80::", "[fe80::]"],
      ["2001:db8:0:1:2:3:4:5", "[2001:db8:0:1:2:3:4:5]"],
      ["10:20:30:40:50:60:70:80", "[10:20:30:40:50:60:70:80]"],
      ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ] as const
  ) equal(address(text, 40000).toString(), `${shown}:40000`);
});

Deno.test("equals() looks at every field, and copyFrom() copies every one", () => {
  const base = address("2001:db8::7", 1);
  for (const field of Object.keys(base) as (keyof PeerAddress & string)[]) {
    const other = new PeerAddress();
    other.copyFrom(base);
    ok(other.equals(base) && base.equals(other));
    Object.assign(other, { [field]: 99 });
    ok(!other.equals(base) && !base.equals(other), field);
    const copy = new PeerAddress();
    copy.copyFrom(other);
    ok(copy.equals(other), field);
  }
});

Deno.test("isSameHost() looks at the peer's address, not at ports and the way to it", () => {
  const base = address("2001:db8::7", 1);
  const elsewhere = ["a0", "a1", "a2", "a3", "scope"];
  for (const field of Object.keys(base)) {
    const other = address("2001:db8::7", 1);
    Object.assign(other, { [field]: 99 });
    equal(base.isSameHost(other), !elsewhere.includes(field), field);
  }
});
