import { deepEqual, doesNotMatch, equal, match, rejects, throws } from "node:assert/strict";
import { findProxy, parseProxyUrl, ProxyError, proxyPlace } from "./proxy_setting.ts";

const PLACES = { environment: () => undefined, home: (path: string) => path };

Deno.test("a proxy is read from its address", () => {
  const cases = [
    ["http://10.0.0.1:3128", "10.0.0.1", 3128, null],
    ["http://proxy.example:8080/", "proxy.example", 8080, null],
    ["proxy.example:8080", "proxy.example", 8080, null],
    ["http://[2001:db8::1]:3128", "2001:db8::1", 3128, null],
    ["http://proxy.example", "proxy.example", 80, null],
    ["http://anna:geheim@10.0.0.1:3128", "10.0.0.1", 3128, "Basic YW5uYTpnZWhlaW0="],
    ["http://a%40b:p%3Aw@10.0.0.1:1", "10.0.0.1", 1, "Basic YUBiOnA6dw=="],
  ] as const;
  for (const [text, host, port, authorization] of cases) {
    deepEqual(parseProxyUrl(text, "-proxy"), { host, port, authorization });
  }
  equal(proxyPlace(parseProxyUrl("http://a:b@[::1]:3128", "-proxy")), "[::1]:3128");
});

Deno.test("what is no HTTP proxy is refused, with words that show no password", () => {
  const cases: readonly [string, RegExp][] = [
    ["https://a:geheim@proxy:443", /kind https is not known here/],
    ["socks5://a:geheim@proxy:1080", /kind socks5 is not known here/],
    ["http://a:geheim@", /no address of a proxy/],
    ["http://a:geheim@proxy:99999", /no address of a proxy/],
    ["http://a:geheim@proxy:0", /no port 0/],
    ["http://a:geheim@proxy:3128/path", /more behind the port/],
    ["http://a:geheim%zz@proxy:3128", /a % that is not of %XX/],
    ["http://a:geheim%0d%0a@proxy:3128", /control character/],
  ];
  for (const [text, words] of cases) {
    throws(() => parseProxyUrl(text, "-proxy"), (error: Error) => {
      match(error.message, words);
      doesNotMatch(error.message, /geheim/);
      return error instanceof ProxyError;
    });
  }
});

Deno.test("the environment is asked only when it is to be", async () => {
  const environment = (name: string) => name === "https_proxy" ? "http://proxy:3128" : undefined;
  const { proxy } = await findProxy({ from: "environment" }, { ...PLACES, environment });
  equal(proxy.host, "proxy");
  await rejects(findProxy({ from: "environment" }, PLACES), /https_proxy is not set.*sudo -E/);
});

Deno.test("a file keeps the password, and is warned of when others can read it", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "http://anna:geheim@10.0.0.1:3128\n");
    await Deno.chmod(path, 0o600);
    const found = await findProxy({ from: "file", path }, PLACES);
    equal(found.proxy.authorization, "Basic YW5uYTpnZWhlaW0=");
    deepEqual(found.notices, []);
    await Deno.chmod(path, 0o644);
    const [notice] = (await findProxy({ from: "file", path }, PLACES)).notices;
    match(notice!, /others can read the password/);
    await Deno.writeTextFile(path, "x".repeat(5000));
    await rejects(findProxy({ from: "file", path }, PLACES), /one line, http:/);
  } finally {
    await Deno.remove(path);
  }
  await rejects(findProxy({ from: "file", path }, PLACES), /Cannot read the proxy from/);
});

Deno.test("a password on the command line is warned of", async () => {
  const from = "flag" as const;
  const [notice] = (await findProxy({ from, url: "http://a:geheim@proxy:1" }, PLACES)).notices;
  match(notice!, /-proxy file:PATH/);
  doesNotMatch(notice!, /geheim/);
  deepEqual((await findProxy({ from, url: "http://proxy:1" }, PLACES)).notices, []);
});
