import assert from "node:assert/strict";
import { listeningPorts, waitingIn } from "./listening_ports.ts";

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12
   1: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13
   2: 0A01A8C0:0016 0201A8C0:D2F0 01 00000000:00000000 02:000A7D8B 00000000     0        0 14
`;
const TCP6 = `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A 00000000:0
   1: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:0
`;

Deno.test("ports of programs that wait for others are read, loopback and connections are not", () => {
  assert.deepEqual(waitingIn(TCP, "0A"), [22]);
  assert.deepEqual(waitingIn(TCP6, "0A"), [8443]);
  assert.deepEqual(waitingIn("", "0A"), []);
});

Deno.test("a port that is listened on is found, and gone when it is closed", async () => {
  const listener = Deno.listen({ port: 0, hostname: "0.0.0.0" });
  const { port } = listener.addr;
  try {
    assert.ok((await listeningPorts("tcp")).has(port));
  } finally {
    listener.close();
  }
  assert.ok(!(await listeningPorts("tcp")).has(port));
  const socket = Deno.listenDatagram({ port: 0, transport: "udp", hostname: "0.0.0.0" });
  try {
    assert.ok((await listeningPorts("udp")).has((socket.addr as Deno.NetAddr).port));
  } finally {
    socket.close();
  }
});
