import { equal } from "node:assert/strict";
import { Libc } from "../../lib/ffi/libc/libc.ts";
import { PeerAddress } from "../../lib/protocol/path/peer_address.ts";
import {
  decodeMappingAnswer,
  encodeMappingQuery,
  MAPPING_MESSAGE_LENGTH,
} from "../../lib/protocol/wire/mapping_message.ts";
import { MappingResponder } from "./mapping_responder.ts";

/** Free for a moment ago: whoever takes it in between makes the test fail, not pass. */
function freePort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "::", port: 0 });
  const { port } = socket.addr as Deno.NetAddr;
  socket.close();
  return port;
}

Deno.test("the holder of a ticket is told from where it asks, at each address; others nothing", async () => {
  const port = freePort();
  await using responder = MappingResponder.open(Libc.open(), port);
  const other = crypto.getRandomValues(new Uint8Array(32));
  for (const hostname of ["127.0.0.1", "127.0.0.2", "::1"]) {
    const socket = Deno.listenDatagram({
      transport: "udp",
      hostname: hostname === "::1" ? "::1" : "127.0.0.1",
      port: 0,
    });
    try {
      const own = (socket.addr as Deno.NetAddr).port;
      const { ticket, key, port: told } = responder.newTicket();
      equal(told, port);
      const nonce = crypto.getRandomValues(new Uint8Array(16));
      const to = { transport: "udp", hostname, port } as const;
      // Were one of the first two answered, it would come before the answer to the third.
      await socket.send(new Uint8Array(MAPPING_MESSAGE_LENGTH), to);
      await socket.send(encodeMappingQuery({ ticket, key: other }, nonce), to);
      await socket.send(encodeMappingQuery({ ticket, key }, nonce), to);
      const [answer, from] = await socket.receive();
      equal((from as Deno.NetAddr).hostname, hostname);
      const seen = new PeerAddress();
      equal(decodeMappingAnswer(answer, key, nonce, seen), true);
      equal(seen.toString(), hostname === "::1" ? `[::1]:${own}` : `127.0.0.1:${own}`);
    } finally {
      socket.close();
    }
  }
});

Deno.test("a flood from a stranger is read slowly and answered never, and the port closes at once", async () => {
  const port = freePort();
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    {
      await using _responder = MappingResponder.open(Libc.open(), port);
      for (let sent = 0; sent < 2_000; sent++) {
        await socket.send(new Uint8Array(MAPPING_MESSAGE_LENGTH), {
          transport: "udp",
          hostname: "127.0.0.1",
          port,
        });
      }
    }
    await using again = MappingResponder.open(Libc.open(), port);
    equal(again.newTicket().port, port);
  } finally {
    socket.close();
  }
});
