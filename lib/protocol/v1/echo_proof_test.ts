import { equal, ok, throws } from "node:assert/strict";
import { FlowKey, readFlowKey } from "../packet/flow_key.ts";
import { ipv4Word } from "../packet/inner_address.ts";
import { naiveChecksum } from "../packet/test_packet.ts";
import { echoReplyToken, writeEchoRequest } from "./echo_proof.ts";

const TOKEN = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 - i);
const ICMP = 20;

/** What the host of 10.8.0.7 answers, after `change`. */
function tokenOf(change: (answer: Uint8Array) => void): string | null {
  const bytes = writeEchoRequest(ipv4Word("10.8.0.7"), TOKEN);
  bytes[ICMP] = 0;
  change(bytes);
  const view = new DataView(bytes.buffer);
  const flow = new FlowKey();
  ok(readFlowKey(view, 0, bytes.length, flow));
  return echoReplyToken(view, flow);
}

Deno.test("writeEchoRequest() is a ping that any host answers", () => {
  const bytes = writeEchoRequest(ipv4Word("10.8.0.7"), TOKEN);
  equal(bytes.length, 44);
  equal(bytes.subarray(12, 20).toHex(), "0a0800010a080007");
  equal(naiveChecksum(bytes.subarray(0, ICMP)), 0);
  equal(naiveChecksum(bytes.subarray(ICMP)), 0);
  const first = writeEchoRequest(ipv4Word("10.9.4.1"), TOKEN);
  equal(first.subarray(12, 20).toHex(), "0a0904020a090401", "no host answers its own address");
  throws(() => writeEchoRequest(0, new Uint8Array(15)), RangeError);
});

Deno.test("echoReplyToken() reads the token of an answer, and of nothing else", () => {
  equal(tokenOf(() => {}), TOKEN.toHex());
  const others: [string, (answer: Uint8Array) => void][] = [
    ["a request", (answer) => answer[ICMP] = 8],
    ["unreachable", (answer) => answer[ICMP] = 3],
    ["another code", (answer) => answer[ICMP + 1] = 1],
    ["of another program", (answer) => answer[ICMP + 4] = 1],
    ["UDP", (answer) => answer[9] = 17],
    ["a fragment", (answer) => answer[7] = 1],
    ["shorter", (answer) => answer[3] = 43],
  ];
  for (const [what, change] of others) equal(tokenOf(change), null, what);
});
