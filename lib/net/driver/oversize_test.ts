import { deepEqual, equal, ok } from "node:assert/strict";
import { ipv4Word, ipv6Words } from "../../protocol/packet/inner_address.ts";
import { type IpFields, ipPacket, naiveChecksum } from "../../protocol/packet/test_packet.ts";
import { TOO_BIG_LENGTH_MAX } from "../../protocol/packet/too_big.ts";
import { Oversize } from "./oversize.ts";

const ROUTER = { ipv4: ipv4Word("10.8.0.1"), ipv6: ipv6Words("fd00:8::1") };
const AT = 100;
const PACKET = 30;
const MAY_FRAGMENT = 0;
const MADE_BYTES = 2048;

/** What becomes of packets: copies of what was made, as it stood when it was told. */
function setUp() {
  const made = new Uint8Array(AT + MADE_BYTES + AT);
  const answers: Uint8Array[] = [];
  const fragments: Uint8Array[] = [];
  const oversize = new Oversize(new DataView(made.buffer, AT, MADE_BYTES), {
    answer: (length) => answers.push(made.slice(AT, AT + length)),
    send: (length) => fragments.push(made.slice(AT, AT + length)),
  });
  const handle = (packet: Uint8Array, mtu: number, now = 0, router = ROUTER) => {
    const memory = new Uint8Array(PACKET + packet.length + 10);
    memory.set(packet, PACKET);
    oversize.handle(new DataView(memory.buffer), PACKET, packet.length, mtu, router, now);
  };
  return { handle, answers, fragments };
}

function udp(fields: Partial<IpFields>, length = 1400): Uint8Array<ArrayBuffer> {
  const payload = Uint8Array.from(
    { length: length - (fields.version === 6 ? 40 : 20) },
    (_, i) => i,
  );
  return ipPacket({ protocol: 17, payload, ...fields });
}

Deno.test("the sender of a packet that must not be fragmented is told what fits", () => {
  for (const version of [4, 6] as const) {
    const { handle, answers, fragments } = setUp();
    const packet = udp({ version });
    handle(packet, 1300);
    deepEqual([answers.length, fragments.length], [1, 0]);
    const answer = answers[0]!;
    const icmp = version === 4 ? 20 : 40;
    const view = new DataView(answer.buffer);
    deepEqual([...answer.subarray(icmp, icmp + 2)], version === 4 ? [3, 4] : [2, 0]);
    equal(version === 4 ? view.getUint16(icmp + 6) : view.getUint32(icmp + 4), 1300);
    deepEqual(answer.subarray(icmp + 8), packet.subarray(0, answer.length - icmp - 8));
    ok(answer.length <= TOO_BIG_LENGTH_MAX);
  }
});

Deno.test("an IPv4 packet that may be fragmented goes in parts that fit, nothing lost", () => {
  const { handle, answers, fragments } = setUp();
  const packet = udp({ fragment: MAY_FRAGMENT, identification: 77 });
  handle(packet, 600);
  equal(answers.length, 0);
  equal(fragments.length, 3);
  const whole = new Uint8Array(packet.length - 20);
  for (const [index, fragment] of fragments.entries()) {
    const view = new DataView(fragment.buffer);
    ok(fragment.length <= 600);
    equal(view.getUint16(2), fragment.length);
    equal(view.getUint16(4), 77);
    equal(naiveChecksum(fragment.subarray(0, 20)), 0);
    equal((view.getUint16(6) & 0x2000) !== 0, index < 2, "more follow");
    whole.set(fragment.subarray(20), (view.getUint16(6) & 0x1fff) * 8);
  }
  deepEqual(whole, packet.subarray(20));
});

Deno.test("no fragment is longer than the memory for it, whatever the paths carry", () => {
  const { handle, fragments } = setUp();
  handle(udp({ fragment: MAY_FRAGMENT }, 8000), 7000);
  equal(fragments.length, 4);
  ok(fragments.every(({ length }) => length <= MADE_BYTES));
});

Deno.test("packets in fragments after one another do not mix", () => {
  const { handle, fragments } = setUp();
  for (const identification of [1, 2]) {
    handle(udp({ fragment: MAY_FRAGMENT, identification }, 700), 400);
  }
  deepEqual(fragments.map((part) => new DataView(part.buffer).getUint16(4)), [1, 1, 2, 2]);
});

Deno.test("nothing is said to what nobody sent, and nothing is sent that is no packet", () => {
  const { handle, answers, fragments } = setUp();
  handle(udp({ source: [224, 0, 0, 1] }), 1300);
  handle(udp({ version: 6, source: [0xff, 2, ...Array(13).fill(0), 1] }), 1300);
  handle(new Uint8Array(1400), 1300);
  handle(udp({ fragment: MAY_FRAGMENT }), 27);
  deepEqual([answers.length, fragments.length], [0, 0]);
});

Deno.test("200 answers at once, 1000 a second, and fragments without limit", () => {
  const { handle, answers, fragments } = setUp();
  const packet = udp({});
  for (let count = 0; count < 500; count++) handle(packet, 1300, 5000);
  equal(answers.length, 200);
  for (let count = 0; count < 500; count++) handle(packet, 1300, 5100);
  equal(answers.length, 300);
  for (let count = 0; count < 500; count++) {
    handle(udp({ fragment: MAY_FRAGMENT }, 700), 600, 5100);
  }
  equal(fragments.length, 1000);
  handle(packet, 1300, 5100);
  equal(answers.length, 300);
});

Deno.test("what gets no answer does not use up those that are due", () => {
  const { handle, answers } = setUp();
  for (let count = 0; count < 500; count++) handle(udp({ source: [224, 0, 0, 1] }), 1300);
  for (let count = 0; count < 500; count++) handle(udp({ fragment: MAY_FRAGMENT }), 1300);
  for (let count = 0; count < 200; count++) handle(udp({}), 1300);
  equal(answers.length, 200);
});
