import { deepEqual, equal, ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Answer, encode } from "dns-packet";
import fc from "fast-check";
import { readNamedAnswer } from "./dns_answer.ts";

const NAMES = new Set(["video.example.com"]);
const CNAME = { type: "CNAME", name: "video.example.com", data: "edge.cdn.example" } as const;
const A = { type: "A", name: "edge.cdn.example", ttl: 1, data: "198.51.100.7" } as const;
const AAAA = { type: "AAAA", name: "edge.cdn.example", data: "2001:db8:0::7" } as const;

function message(name: string, answers: readonly Answer[], type = "response"): Uint8Array {
  // deno-lint-ignore no-explicit-any
  const packet: any = { type, id: 7, questions: [{ type: "A", name }], answers: [...answers] };
  return encode(packet);
}

/** An IP packet from the port of DNS. */
function packetOf(
  payload: Uint8Array,
  { version = 4, port = 53, protocol = 17, fragment = 0 } = {},
): Uint8Array {
  const headerLength = version === 4 ? 20 : 40;
  const packet = Buffer.alloc(headerLength + 8 + payload.length);
  packet[0] = version === 4 ? 0x45 : 0x60;
  packet[version === 4 ? 9 : 6] = protocol;
  if (version === 4) packet.writeUInt16BE(fragment, 6);
  packet.writeUInt16BE(port, headerLength);
  packet.writeUInt16BE(40_000, headerLength + 2);
  packet.writeUInt16BE(8 + payload.length, headerLength + 4);
  packet.set(payload, headerLength + 8);
  return packet;
}

Deno.test("an answer for a name has its addresses, through aliases, by IPv4 and IPv6", () => {
  for (const version of [4, 6]) {
    const packet = packetOf(message("VIDEO.example.com", [CNAME, A, AAAA]), { version });
    deepEqual(readNamedAnswer(packet, NAMES), {
      name: "video.example.com",
      addresses: ["198.51.100.7", "2001:db8::7"],
    });
  }
});

Deno.test("what is no answer, for another name, or without addresses says nothing", () => {
  const answer = message("video.example.com", [A]);
  const packets = [
    packetOf(message("video.example.com", [])),
    packetOf(message("video.example.com", [CNAME])),
    packetOf(message("video.example.com", [A], "query")),
    packetOf(message("example.com", [A])),
    packetOf(answer, { port: 5353 }),
    packetOf(answer, { protocol: 6 }),
    packetOf(answer, { fragment: 0x2000 }),
    packetOf(answer).subarray(0, 60),
    packetOf(new Uint8Array(3)),
    new Uint8Array(0),
  ];
  for (const packet of packets) equal(readNamedAnswer(packet, NAMES), null);
});

Deno.test("an answer of more than 4096 bytes is not read: it would take 100 ms", () => {
  const size = message("video.example.com", [A, A]).length -
    message("video.example.com", [A]).length;
  const records = (bytes: number) => new Array(Math.floor((bytes - 40) / size)).fill(A);
  for (const [bytes, isRead] of [[4000, true], [4200, false]] as const) {
    const packet = packetOf(message("video.example.com", records(bytes)));
    ok(Math.abs(packet.length - 28 - bytes) < 40, `${packet.length}`);
    equal(readNamedAnswer(packet, NAMES) !== null, isRead, `${bytes} bytes`);
  }
});

Deno.test("hostile bytes never throw", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    equal(readNamedAnswer(packetOf(bytes), NAMES), null);
    readNamedAnswer(bytes, NAMES);
  }));
  const answer = packetOf(message("video.example.com", [CNAME, A, AAAA]));
  fc.assert(fc.property(fc.nat(answer.length - 1), fc.nat(255), (at, value) => {
    const changed = answer.slice();
    changed[at] = value;
    readNamedAnswer(changed, NAMES);
  }));
});
