import { equal, match, rejects } from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import { usernamePasswordAuthenticator } from "@nats-io/transport-node";
import { until } from "../../../testing/until.ts";
import { connectSteadily, steady, warningOfLine } from "./steady_transport.ts";

const INFO = { server_id: "A", version: "2.9.10", auth_required: true, max_payload: 1024 };

/** A machine of the store that refuses whoever comes, and resets the connection. */
async function refusingServer() {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.write(`INFO ${JSON.stringify(INFO)}\r\n`);
    socket.on("data", () => {
      socket.write("-ERR 'Authorization Violation'\r\n");
      socket.resetAndDestroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

Deno.test("an error of a socket without other listeners ends nothing", async () => {
  const socket = steady(new net.Socket());
  socket.removeAllListeners();
  socket.removeAllListeners("error");
  equal(socket.listenerCount("error"), 1);
  socket.destroy(new Error("reset"));
  await until("it is closed", () => socket.closed, 5000);
});

Deno.test("a machine of the store that refuses and resets is an answer, each time", async () => {
  await using server = await refusingServer();
  for (let attempt = 0; attempt < 10; attempt++) {
    await rejects(
      connectSteadily({
        servers: `127.0.0.1:${server.port}`,
        authenticator: usernamePasswordAuthenticator("fluxify", "wrong"),
        reconnect: false,
        maxReconnectAttempts: 0,
        timeout: 3000,
        noAsyncTraces: true,
      }),
      (error) => {
        match(String(error), /authorization|ECONNRESET|closed|CONNECTION/i);
        return true;
      },
    );
  }
});

Deno.test("a line without TLS is warned of, unless it stays at home", () => {
  const warned = (isEncrypted: boolean, peer: string | null) =>
    warningOfLine({ isEncrypted, peer }, "n1.example.com");
  for (const peer of ["127.0.0.1", "::1", "10.90.0.11", "fd00::1"]) {
    equal(warned(false, peer), null);
  }
  equal(warned(true, "203.0.113.5"), null);
  for (const peer of ["203.0.113.5", "2001:db8::5", null]) {
    match(warned(false, peer)!, /at n1\.example\.com is reached without TLS.*give -store-ca FILE/);
  }
});
