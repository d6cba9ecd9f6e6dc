/** A file stands for the TUN device: what is read and written has no bounds of its own there. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { Libc } from "../../ffi/libc/libc.ts";

import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import {
  hasRightChecksums,
  partialUdpPacket,
  tcpPacket,
} from "../../protocol/packet/test_packet.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { newMemory } from "../driver/packet_cells.ts";
import { TunPort } from "./tun_port.ts";

const O_RDONLY = 0;
const O_RDWR = 2;
const AT = 100;

async function withPort(
  flags: number,
  content: Uint8Array,
  use: (port: TunPort, path: string, drops: DropCounters) => void,
): Promise<void> {
  const libc = Libc.open();
  const path = await Deno.makeTempFile({ prefix: "fluxify-tun-port-" });
  await Deno.writeFile(path, content);
  const fd = libc.openFile(path, flags);
  const drops = new DropCounters();
  try {
    use(new TunPort(libc, fd, drops), path, drops);
  } finally {
    libc.closeFile(fd);
    libc.unload();
    await Deno.remove(path);
  }
}

/** Delivers a packet from the middle of a memory. */
function deliver(port: TunPort, packet: Uint8Array, isPartial: boolean): void {
  const memory = newMemory(70_000);
  memory.bytes.set(packet, AT);
  const flow = new FlowKey();
  ok(readFlowKey(memory.view, AT, packet.length, flow));
  port.deliver(memory, AT, flow, isPartial);
}

Deno.test("a packet is read to the start of the memory, and none is no error", async () => {
  const packet = tcpPacket({ payload: new Uint8Array(500).fill(7) });
  await withPort(O_RDWR, packet, (port) => {
    equal(port.readPacket(), packet.length);
    deepEqual(port.read.bytes.slice(0, packet.length), packet);
    equal(port.readPacket(), 0);
  });
});

Deno.test("a packet is written whole, and its checksum is made where there is only a sum", async () => {
  await withPort(O_RDWR, new Uint8Array(), (port, path) => {
    const whole = tcpPacket({ payload: new Uint8Array(100).fill(1) });
    deliver(port, whole, false);
    deepEqual(Deno.readFileSync(path), whole);
    const partial = partialUdpPacket(new Uint8Array(100).fill(3));
    deliver(port, partial, true);
    const written = Deno.readFileSync(path).slice(whole.length);
    equal(written.length, partial.length);
    ok(hasRightChecksums(written, 20));
    ok(!hasRightChecksums(partial, 20), "the one it was made from is left as it is");
  });
});

Deno.test("what the device refuses is counted", async () => {
  await withPort(O_RDONLY, new Uint8Array(), (port, _path, drops) => {
    deliver(port, tcpPacket({}), false);
    equal(drops.get("TUN refused"), 1);
  });
});
