import { equal, ok } from "node:assert/strict";
import { FlowKey, readFlowKey } from "../../lib/protocol/packet/flow_key.ts";
import { ipv4Word } from "../../lib/protocol/packet/inner_address.ts";
import { ECHO_BYTES_MIN, readEchoReply, writeEchoRequest } from "./echo_packet.ts";

const AT = 6;

/** One's complement sum of a range, which is all ones when its checksum is right. */
function sumOf(view: DataView, offset: number, length: number): number {
  let sum = 0;
  for (let at = 0; at < length; at += 2) sum += view.getUint16(offset + at);
  while (sum > 0xffff) sum = (sum >>> 16) + (sum & 0xffff);
  return sum;
}

Deno.test("a request is a whole ICMP echo with right checksums, and its answer tells when it left", () => {
  for (const length of [ECHO_BYTES_MIN, 84, 1250]) {
    const view = new DataView(new ArrayBuffer(AT + length));
    writeEchoRequest(view, AT, length, "10.8.3.200", "10.8.0.1", 70_000, 1234.5);
    const flow = new FlowKey();
    ok(readFlowKey(view, AT, length, flow));
    equal(flow.source3, ipv4Word("10.8.3.200"));
    equal(flow.destination3, ipv4Word("10.8.0.1"));
    equal(flow.ports, 1);
    equal(sumOf(view, AT, 20), 0xffff);
    equal(sumOf(view, AT + 20, length - 20), 0xffff);
    equal(readEchoReply(view, AT, length), null);
    view.setUint8(AT + 20, 0);
    equal(readEchoReply(view, AT, length), 1234.5);
    equal(readEchoReply(view, AT, ECHO_BYTES_MIN - 1), null);
  }
});
