import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { LocalClient, NotRunningError } from "./local_client.ts";
import { LINE_BYTES_MAX, LocalSocket, RequestError, SocketInUseError } from "./local_socket.ts";

const METHODS = {
  status: () => ({ state: "up" }),
  echo: (params: Readonly<Record<string, unknown>>) => params,
  refuse: () => {
    throw new RequestError("no-such-link", "There is no link wwan0");
  },
  break: () => {
    throw new TypeError("secret detail");
  },
  async *count(_params: unknown, signal: AbortSignal) {
    for (let i = 1; !signal.aborted; i++) {
      yield i;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },
};

class Site implements AsyncDisposable {
  readonly faults: string[] = [];
  readonly path: string;
  #directory: string;
  #socket: LocalSocket | null = null;

  constructor() {
    this.#directory = Deno.makeTempDirSync();
    this.path = join(this.#directory, "run", "client.sock");
  }

  async listen(): Promise<LocalSocket> {
    return this.#socket = await LocalSocket.listen({
      path: this.path,
      program: "fluxify-client",
      version: "0.1.0",
      methods: METHODS,
      onFault: (method, error) => this.faults.push(`${method}: ${error}`),
    });
  }

  connect(): Promise<LocalClient> {
    return LocalClient.connect(this.path, "fluxify-client");
  }

  async [Symbol.asyncDispose]() {
    await this.#socket?.[Symbol.asyncDispose]();
    await Deno.remove(this.#directory, { recursive: true });
  }
}

async function readAll(connection: Deno.Conn): Promise<string> {
  const text = await new Response(connection.readable).text();
  return text;
}

Deno.test("a method is answered, one after the other over one connection", async () => {
  await using site = new Site();
  await site.listen();
  using client = await site.connect();
  deepEqual(await client.call("status"), { state: "up" });
  deepEqual(await client.call("echo", { a: 1, text: "ü\n" }), { a: 1, text: "ü\n" });
});

Deno.test("only root, or the group, may connect", async () => {
  await using site = new Site();
  await site.listen();
  equal((await Deno.stat(site.path)).mode! & 0o777, 0o600);
});

Deno.test("a refusal has a code; what broke is for the log alone", async () => {
  await using site = new Site();
  await site.listen();
  using client = await site.connect();
  await rejects(client.call("refuse"), { name: "RequestError", code: "no-such-link" });
  await rejects(client.call("none"), {
    code: "unknown-method",
    message: /there are break, count, /,
  });
  await rejects(client.call("toString"), { code: "unknown-method" });
  await rejects(client.call("break"), (error: Error) => !error.message.includes("secret"));
  deepEqual(site.faults, ["break: TypeError: secret detail"]);
  deepEqual(await client.call("status"), { state: "up" }, "and goes on");
});

Deno.test("a stream goes on until it is left, and ends with the program", async () => {
  await using site = new Site();
  const socket = await site.listen();
  {
    using client = await site.connect();
    const seen: unknown[] = [];
    for await (const value of client.stream("count")) {
      seen.push(value);
      if (seen.length === 3) break;
    }
    deepEqual(seen, [1, 2, 3]);
  }
  using client = await site.connect();
  let last = 0;
  for await (const value of client.stream("count")) {
    last = value as number;
    if (last === 2) await socket[Symbol.asyncDispose]();
  }
  ok(last >= 2);
});

Deno.test("bad lines are answered in words, and too long ones end the connection", async () => {
  await using site = new Site();
  await site.listen();
  const bad = ["nonsense", "[]", '{"id":1}', '{"method":"status"}', '{"id":1,"method":2}'];
  for (const line of [...bad, '{"id":1,"method":"echo","params":[1]}']) {
    using connection = await Deno.connect({ transport: "unix", path: site.path });
    await connection.write(new TextEncoder().encode(`${line}\n`));
    await connection.closeWrite();
    match(await readAll(connection), /"code":"bad-request"/, line);
  }
  using connection = await Deno.connect({ transport: "unix", path: site.path });
  const all = readAll(connection);
  const long = new Uint8Array(LINE_BYTES_MAX + 2).fill(0x20);
  try {
    for (let rest = long; rest.byteLength > 0;) {
      rest = rest.subarray(await connection.write(rest));
    }
  } catch {
    // It may be closed before all is written.
  }
  match(await all, /A line may have/);
});

Deno.test("more connections than the limit are closed, and places become free again", async () => {
  await using site = new Site();
  await site.listen();
  const open: LocalClient[] = [];
  for (let i = 0; i < 32; i++) open.push(await site.connect());
  await rejects(site.connect());
  open.pop()![Symbol.dispose]();
  for (;;) {
    try {
      open.push(await site.connect());
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  for (const client of open) client[Symbol.dispose]();
});

Deno.test("a second program is refused, a killed one's socket is replaced", async () => {
  await using site = new Site();
  await rejects(site.connect(), NotRunningError);
  {
    await using _first = await site.listen();
    await rejects(site.listen(), SocketInUseError);
  }
  await rejects(Deno.stat(site.path), Deno.errors.NotFound);
  // A listener whose file outlives it, as after kill -9.
  const left = Deno.listen({ transport: "unix", path: site.path });
  await Deno.rename(site.path, `${site.path}.kept`);
  left.close();
  await Deno.rename(`${site.path}.kept`, site.path);
  await rejects(site.connect(), NotRunningError);
  await site.listen();
  using client = await site.connect();
  deepEqual(await client.call("status"), { state: "up" });
});
