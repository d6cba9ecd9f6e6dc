/**
 * `ADDRESS SOURCE COUNT`: opens downloads until COUNT of them leave from SOURCE. When its standard
 * input ends, prints as JSON how those have fared: how many failed, the least they got since the
 * start, and the longest they waited for the next piece.
 */
const [hostname = "", source = "", count = "0"] = Deno.args;
const TRIES_MAX = 20 * Number(count) + 100;

interface Download {
  bytes: number;
  longestGapMs: number;
  hasFailed: boolean;
  ended: Promise<void>;
}

const downloads: Download[] = [];
const connections: Deno.TcpConn[] = [];
let isOver = false;
for (let number = 0; number < TRIES_MAX && downloads.length < Number(count); number++) {
  const connection = await Deno.connect({ hostname, port: 81 });
  const buffer = new Uint8Array(4096);
  const length = await connection.read(buffer) ?? 0;
  const address = new TextDecoder().decode(buffer.subarray(0, length)).split("\n")[0];
  if (address === source) {
    connections.push(connection);
    downloads.push(follow(connection));
  } else {
    connection.close();
  }
}
console.log(`under way: ${downloads.length}`);
await Deno.stdin.read(new Uint8Array(1));
isOver = true;
for (const connection of connections) connection.close();
await Promise.all(downloads.map(({ ended }) => ended));
console.log(JSON.stringify({
  count: downloads.length,
  failed: downloads.filter(({ hasFailed }) => hasFailed).length,
  leastBytes: Math.min(...downloads.map(({ bytes }) => bytes)),
  longestGapMs: Math.round(Math.max(...downloads.map(({ longestGapMs }) => longestGapMs))),
}));
Deno.exit(0);

function follow(connection: Deno.TcpConn): Download {
  const download: Download = {
    bytes: 0,
    longestGapMs: 0,
    hasFailed: false,
    ended: Promise.resolve(),
  };
  download.ended = read(connection, download).catch(() => {
    download.hasFailed = !isOver;
  });
  return download;
}

async function read(connection: Deno.TcpConn, download: Download): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  let last = performance.now();
  while (!isOver) {
    const length = await connection.read(buffer);
    if (length === null) {
      download.hasFailed = !isOver;
      return;
    }
    download.longestGapMs = Math.max(download.longestGapMs, performance.now() - last);
    last = performance.now();
    download.bytes += length;
  }
}
