/**
 * Run in the server's namespace with the addresses to listen on. Port 80, HTTP: answers with the
 * address of who asks, /one-address always with the same. Port 81: says the address on a line, then
 * sends CHUNK bytes every PAUSE_MS until the other side ends the connection.
 */
const CHUNK = new Uint8Array(2000).fill(46);
const PAUSE_MS = 100;

for (const hostname of Deno.args) {
  Deno.serve({ hostname, port: 80, onListen() {} }, (request, { remoteAddr }) => {
    const path = new URL(request.url).pathname;
    const address = (remoteAddr as Deno.NetAddr).hostname;
    return new Response(path === "/one-address" ? "198.51.100.9\n" : `${address}\n`);
  });
  serveDownloads(Deno.listen({ hostname, port: 81 }));
}
console.log("listening");

async function serveDownloads(listener: Deno.TcpListener): Promise<void> {
  for await (const connection of listener) feed(connection).catch(() => {});
}

async function feed(connection: Deno.TcpConn): Promise<void> {
  let isOver = false;
  connection.read(new Uint8Array(1)).catch(() => {}).then(() => isOver = true);
  const { hostname } = connection.remoteAddr as Deno.NetAddr;
  await connection.write(new TextEncoder().encode(`${hostname}\n`));
  while (!isOver) {
    await connection.write(CHUNK);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  connection.close();
}
