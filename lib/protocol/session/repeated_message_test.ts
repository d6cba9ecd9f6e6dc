import { deepEqual, equal, notEqual } from "node:assert/strict";
import { encodeTunnelMessage, type TunnelMessage } from "../wire/tunnel_message.ts";
import { RepeatedMessage } from "./repeated_message.ts";

const PATHS: TunnelMessage = { type: "paths", usable: [0, 1], scheduler: "flow", mtu: 1372 };

Deno.test("a message that is repeated is read once, also where its memory was used meanwhile", () => {
  const reader = new RepeatedMessage();
  const memory = encodeTunnelMessage(PATHS);
  const first = reader.decode(memory);
  deepEqual(first, PATHS);
  memory.fill(0);
  equal(reader.decode(memory), null);
  equal(reader.decode(encodeTunnelMessage(PATHS)), first);
});

Deno.test("one that differs in a byte, is longer or shorter, or of another kind is read anew", () => {
  const reader = new RepeatedMessage();
  const first = reader.decode(encodeTunnelMessage(PATHS));
  for (
    const other of [
      { ...PATHS, mtu: 1373 },
      { ...PATHS, usable: [0] },
      { ...PATHS, usable: [0, 1, 2] },
      { type: "bye" },
      { type: "mtu probe", size: 100 },
    ] as TunnelMessage[]
  ) {
    const read = reader.decode(encodeTunnelMessage(other));
    notEqual(read, first);
    deepEqual(read, other);
  }
  equal(reader.decode(encodeTunnelMessage(PATHS).subarray(1)), null);
});
