/**
 * A service that answers each request with much, paced, and one who asks it and counts:
 *
 *     burst_program.ts serve ADDRESS PORT
 *     burst_program.ts ask ADDRESS PORT
 *
 * Both print "ready"; who asks prints the bytes that came at the end.
 */
const DATAGRAMS = 1000;
const DATAGRAM_BYTES = 1200;
const PACE_MS = 40;
const PER_PACE = 10;
const QUIET_MS = 2000;

async function serve(hostname: string, port: number): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  console.log("ready");
  for await (const [, from] of socket) {
    for (let sent = 0; sent < DATAGRAMS; sent++) {
      await socket.send(new Uint8Array(DATAGRAM_BYTES), from);
      if (sent % PER_PACE === 0) await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
  }
}

async function ask(hostname: string, port: number): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  await socket.send(new Uint8Array(100), { transport: "udp", hostname, port });
  console.log("ready");
  let bytes = 0;
  let timer = setTimeout(() => end(), QUIET_MS);
  const end = () => {
    console.log(`received ${bytes}`);
    Deno.exit(0);
  };
  for await (const [datagram] of socket) {
    bytes += datagram.length;
    clearTimeout(timer);
    timer = setTimeout(end, QUIET_MS);
  }
}

if (import.meta.main) {
  const [what, address = "", port] = Deno.args;
  await (what === "serve" ? serve : ask)(address, Number(port));
}
