import { deepEqual, equal, match, ok } from "node:assert/strict";
import { Refusal } from "../../status/local_socket/message.ts";
import { ASSETS } from "../assets/assets.ts";
import { LiveFeed, WATCHERS_MAX } from "../live_feed.ts";
import { PageSite } from "./page_site.ts";

const BASE = "http://127.0.0.1:8078";
const TOKEN = "the-token-of-the-link";
const BUNDLE = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n";

class Visit implements Disposable {
  readonly asked: string[] = [];
  readonly feed = new LiveFeed({ read: () => Promise.resolve({ isRunning: true }), everyMs: 10 });
  readonly #site: PageSite;
  cookie = "";

  constructor(isTls = false) {
    this.#site = new PageSite({
      start: {
        listen: { host: "127.0.0.1", port: 8078 },
        certificate: isTls ? { cert: "", key: "" } : null,
        hosts: ["127.0.0.1"],
        token: TOKEN,
        ...{ program: "fluxify-server", version: "1", instance: "x", historyDirectory: null },
        ...{ user: null, actions: ["kick", "issue"] },
      },
      ask: (what, args = {}) => {
        this.asked.push(what);
        if (args.name === "nobody") throw new Refusal("not possible", "no client called that");
        return Promise.resolve(
          what === "issue" ? { name: args.name, fileName: "x.bundle", bundle: BUNDLE } : {},
        );
      },
      feed: this.feed,
      history: () => null,
    });
  }

  handle(request: Request, from: string): Promise<Response> {
    return this.#site.handle(request, from);
  }

  get(path: string): Promise<Response> {
    const headers = { host: "127.0.0.1:8078", cookie: this.cookie };
    return this.handle(new Request(BASE + path, { headers }), "127.0.0.1");
  }

  post(path: string, body: unknown): Promise<Response> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = {
      ...{ host: "127.0.0.1:8078", origin: BASE, cookie: this.cookie },
      "content-type": "application/json",
    };
    return this.handle(
      new Request(BASE + path, { method: "POST", headers, body: text }),
      "127.0.0.1",
    );
  }

  async logIn(): Promise<string> {
    const response = await this.post("/api/login", { token: TOKEN });
    const set = response.headers.get("set-cookie")!;
    this.cookie = set.split(";")[0]!;
    return set;
  }

  [Symbol.dispose](): void {
    this.feed[Symbol.dispose]();
  }
}

Deno.test("without a log-in there are the files of the page, and nothing else", async () => {
  using visit = new Visit();
  for (const path of ASSETS.keys()) equal((await visit.get(path)).status, 200, path);
  for (const path of ["about", "live", "logs", "history?range=hour", "volumes", "clients"]) {
    equal((await visit.get(`/api/${path}`)).status, 401, path);
  }
  equal((await visit.get("/once/x")).status, 401);
  equal((await visit.post("/api/act", { action: "kick" })).status, 401);
  equal((await visit.post("/api/login", { token: "wrong" })).status, 401);
  equal((await visit.post("/api/login", {})).status, 401);
  visit.cookie = "fluxify-server-8078=forged";
  equal((await visit.get("/api/about")).status, 401);
  deepEqual(visit.asked, []);
});

Deno.test("the cookie is for this page alone, and scripts do not see it", async () => {
  using visit = new Visit();
  match(
    await visit.logIn(),
    /^fluxify-server-8078=[\w=-]{40,}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=604800$/,
  );
  equal((await visit.get("/api/about")).status, 200);
  await visit.post("/api/logout", {});
  equal((await visit.get("/api/about")).status, 401);
  using tls = new Visit(true);
  const set = await tls.post("/api/login", { token: TOKEN });
  equal(set.status, 403); // the page has https, and the request's Origin has not
});

Deno.test("every answer is told to be strict", async () => {
  using visit = new Visit();
  await visit.logIn();
  for (const path of ["/", "/assets/page.js", "/api/about", "/api/live", "/nothing", "/once/x"]) {
    const response = await visit.get(path);
    const policy = response.headers.get("content-security-policy")!;
    match(policy, /default-src 'none'.*frame-ancestors 'none'/);
    ok(!policy.includes("unsafe"), policy);
    equal(response.headers.get("x-content-type-options"), "nosniff");
    equal(response.headers.get("cache-control"), "no-store");
    equal(response.headers.get("access-control-allow-origin"), null);
    await response.body?.cancel();
  }
});

Deno.test("what the page is not for is refused, and what it is told is said", async () => {
  using visit = new Visit();
  await visit.logIn();
  for (const action of ["down", "constructor", 5, null]) {
    equal((await visit.post("/api/act", { action })).status, 400, `${action}`);
  }
  equal((await visit.post("/api/act", { action: "kick", arguments: [] })).status, 400);
  for (const body of ["", "[]", "{", `"${"x".repeat(5000)}"`]) {
    equal((await visit.post("/api/act", body)).status, 400, body.slice(0, 9));
  }
  deepEqual(visit.asked, []);
  const refused = await visit.post("/api/act", { action: "kick", arguments: { name: "nobody" } });
  deepEqual([refused.status, (await refused.json()).message], [409, "no client called that"]);
  equal((await visit.post("/api/act", { action: "kick", arguments: {} })).status, 200);
});

Deno.test("a new client's bundle is in no answer but the file, which is there once", async () => {
  using visit = new Visit();
  await visit.logIn();
  const answer = await visit.post("/api/act", { action: "issue", arguments: { name: "phone" } });
  const text = await answer.text();
  ok(!text.includes("PRIVATE"), text);
  const { file, qr } = JSON.parse(text);
  const cookie = visit.cookie;
  visit.cookie = "";
  equal((await visit.get(file)).status, 401);
  visit.cookie = cookie;
  const bundle = await visit.get(file);
  match(bundle.headers.get("content-disposition")!, /^attachment; filename="x\.bundle"$/);
  equal(await bundle.text(), BUNDLE);
  equal((await visit.get(file)).status, 410);
  match(await (await visit.get(qr)).text(), /^<svg /);
  equal((await visit.get(qr)).status, 410);
});

Deno.test("requests that are never sent whole end, and leave the page to others meanwhile", async () => {
  using visit = new Visit();
  const bodies: ReadableStream<Uint8Array>[] = [];
  const halfSent = () => {
    const body = new ReadableStream<Uint8Array>({ start: (to) => to.enqueue(new Uint8Array(1)) });
    bodies.push(body);
    const headers = { origin: BASE, "content-type": "application/json" };
    return visit.handle(
      new Request(`${BASE}/api/login`, { method: "POST", headers, body }),
      "192.0.2.1",
    );
  };
  const hanging = Array.from({ length: 32 }, halfSent);
  equal((await halfSent()).status, 503);
  equal((await visit.get("/")).status, 200);
  for (const { status } of await Promise.all(hanging)) {
    ok(status >= 400 && status < 500, `${status}`);
  }
  equal(bodies.length, 33);
  equal((await visit.get("/")).status, 200);
});

Deno.test("a request whose URL is none is refused, not failed at", async () => {
  using visit = new Visit();
  const request = new Request(BASE, { headers: { host: "a b" } });
  Object.defineProperty(request, "url", { value: "http://a b/" });
  equal((await visit.handle(request, "192.0.2.1")).status, 403);
});

Deno.test("those who watch are told, and are not too many", async () => {
  using visit = new Visit();
  await visit.logIn();
  const streams: Response[] = [];
  for (let number = 0; number < WATCHERS_MAX; number++) streams.push(await visit.get("/api/live"));
  equal((await visit.get("/api/live")).status, 503);
  const reader = streams[0]!.body!.getReader();
  for (let times = 0; times < 2; times++) {
    const { value } = await reader.read();
    equal(new TextDecoder().decode(value), 'data: {"isRunning":true}\n\n');
  }
  await reader.cancel();
  equal(visit.feed.watchers, WATCHERS_MAX - 1);
  for (const { body } of streams.slice(1)) await body?.cancel();
  equal(visit.feed.watchers, 0);
});

Deno.test("the scripts of the page are small, and ask nobody else", () => {
  let size = 0;
  for (const [path, { type, text }] of ASSETS) {
    if (type.startsWith("text/javascript")) size += new TextEncoder().encode(text).length;
    if (path.includes("uplot")) continue;
    ok(!/https?:\/\/(?!www\.w3\.org\/2000\/svg)/.test(text), path);
    ok(!/<script>|\son\w+="|style="|innerHTML/.test(text), path);
  }
  ok(size < 150_000, `${size} bytes`);
});
