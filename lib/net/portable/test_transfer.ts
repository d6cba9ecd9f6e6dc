/**
 * A TCP transfer for the tests: `test_transfer.ts listen <address>` prints the SHA-256 of what each
 * connection brought, `test_transfer.ts send <address> <bytes>` that of what it sent.
 */
import { createHash } from "node:crypto";

const PORT = 9000;
const CHUNK_BYTES = 65_536;

async function listen(hostname: string): Promise<void> {
  const listener = Deno.listen({ hostname, port: PORT });
  console.log("listening");
  for await (const connection of listener) {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const chunk of connection.readable) {
      hash.update(chunk);
      bytes += chunk.length;
    }
    console.log(`received ${bytes} ${hash.digest("hex")}`);
  }
}

async function send(hostname: string, bytes: number): Promise<void> {
  const connection = await Deno.connect({ hostname, port: PORT });
  const hash = createHash("sha256");
  const writer = connection.writable.getWriter();
  for (let sent = 0; sent < bytes; sent += CHUNK_BYTES) {
    const chunk = crypto.getRandomValues(new Uint8Array(Math.min(CHUNK_BYTES, bytes - sent)));
    hash.update(chunk);
    await writer.write(chunk);
    if (sent === 0) console.log("sending");
  }
  await writer.close();
  console.log(`sent ${bytes} ${hash.digest("hex")}`);
}

const [mode, address, bytes] = Deno.args;
if (mode === "listen") await listen(address!);
else await send(address!, Number(bytes));
