import { equal } from "node:assert/strict";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import type { EngineSession } from "../engine.ts";
import { addressProof } from "./address_proof.ts";

/** What is known when the control connection came from `controlHost`. */
function proofOf(controlHost?: string) {
  const session: EngineSession = {
    ...{ role: "server", id: 1, key: new Uint8Array(32), x1: false, name: "old", mtu: 1400 },
    ...{ ipv4: "10.8.0.7", ipv6: "fd00:8::7", tuning: DEFAULT_TUNING },
    ...{ reorderBufferSize: 128, reorderFlushTimeoutMs: 50 },
    ...(controlHost === undefined ? {} : { controlHost }),
  };
  return addressProof(session);
}

Deno.test("addressProof() knows the host of the control connection, by IPv4 and IPv6", () => {
  equal(proofOf("203.0.113.9").controlHost?.toString(), "203.0.113.9:0");
  equal(proofOf("2001:db8::9").controlHost?.toString(), "[2001:db8::9]:0");
  equal(proofOf("203.0.113.9").innerIpv4, 0x0a080007);
});

Deno.test("addressProof() knows none that it was not told, or that is of one link", () => {
  equal(proofOf().controlHost, null);
  equal(proofOf("fe80::1%eth0").controlHost, null);
});
