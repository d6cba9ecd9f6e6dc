import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { MetricsServer } from "./metrics_server.ts";
import type { MetricsPage } from "./metrics_page.ts";

const ANY = { host: "127.0.0.1", port: 0 };

const fill = (page: MetricsPage) => {
  page.gauge("fluxify_link_rtt_seconds", "Round trip.", 0.02, { link: 'a"b\nc' });
  page.gauge("fluxify_link_rtt_seconds", "Round trip.", 0.03, { link: "two" });
  page.gauge("fluxify_unknown", "Nothing.", null);
  page.counter("fluxify_drops_total", "Drops.", 3, { reason: "replayed" });
  return Promise.resolve();
};

async function raw(port: number, request: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(request));
  let text = "";
  const piece = new Uint8Array(4096);
  for (;;) {
    const length = await connection.read(piece).catch(() => null);
    if (length === null) return text;
    text += new TextDecoder().decode(piece.subarray(0, length));
  }
}

Deno.test("a scrape has each metric once with its help, and what is not known not at all", async () => {
  await using server = await MetricsServer.open(ANY, fill);
  for (let scrape = 0; scrape < 2; scrape++) {
    const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
    match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    deepEqual((await response.text()).split("\n").filter((line) => line !== ""), [
      "# HELP fluxify_link_rtt_seconds Round trip.",
      "# TYPE fluxify_link_rtt_seconds gauge",
      'fluxify_link_rtt_seconds{link="a\\"b\\nc"} 0.02',
      'fluxify_link_rtt_seconds{link="two"} 0.03',
      "# HELP fluxify_drops_total Drops.",
      "# TYPE fluxify_drops_total counter",
      'fluxify_drops_total{reason="replayed"} 3',
    ]);
  }
});

Deno.test("everything else is refused: paths, methods, names of others, failures", async () => {
  let fails = false;
  await using server = await MetricsServer.open(
    ANY,
    (page) => fails ? Promise.reject(new Error("no engine")) : fill(page),
  );
  const status = async (line: string, host: string) =>
    /^HTTP\/1\.1 (\d+)/.exec(await raw(server.port, `${line} HTTP/1.1\r\nHost: ${host}\r\n\r\n`))
      ?.[1];
  equal(await status("GET /metrics", "127.0.0.1:9477"), "200");
  equal(await status("GET /metrics", "localhost"), "200");
  equal(await status("GET /metrics", "[::1]:9477"), "200");
  equal(await status("GET /metrics", "evil.example"), "403");
  equal(await status("GET /metrics", "127.0.0.1.evil.example:9477"), "403");
  equal(await status("POST /metrics", "127.0.0.1"), "405");
  equal(await status("GET /", "127.0.0.1"), "404");
  fails = true;
  equal(await status("GET /metrics", "127.0.0.1"), "503");
});

Deno.test("who says nothing is put out, and of many as many are taken as the limit says", async () => {
  await using server = await MetricsServer.open(ANY, fill, {
    connectionMs: 100,
    connectionsMax: 4,
  });
  const texts = await Promise.all(
    Array.from({ length: 200 }, () => raw(server.port, "GET /metr")),
  );
  deepEqual(new Set(texts), new Set([""]));
  equal((await fetch(`http://127.0.0.1:${server.port}/metrics`)).status, 200);
});

Deno.test("scrapes at the same time are read once, and a later one anew", async () => {
  let readings = 0;
  await using server = await MetricsServer.open(ANY, (page) => {
    readings++;
    return fill(page);
  });
  const [first, second] = await Promise.all([server.scrape(), server.scrape()]);
  equal(first, second);
  equal(readings, 1);
  await server.scrape();
  equal(readings, 2);
});

Deno.test("a port that is taken is said with what to do", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = { host: "127.0.0.1", port: listener.addr.port };
  await rejects(
    MetricsServer.open(address, fill),
    /Cannot serve metrics on 127\.0\.0\.1:\d+: .*; give an address .* -metrics-listen/,
  );
});
