import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { dirname } from "node:path";
import { LocalConnection, NotRunningError } from "./ask.ts";
import { runningInstances } from "./instance.ts";
import { ANSWER_BYTES_MAX, Refusal, REQUEST_BYTES_MAX } from "./message.ts";
import { readAll, SocketSite } from "./test_site.ts";

const connectTo = (path: string) => Deno.connect({ transport: "unix", path });
const write = async (connection: Deno.Conn, text: string) => {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
};
const ECHO = '{"v":1,"id":1,"command":"echo","arguments":{"a":1}}\n';
const ECHOED = '{"v":1,"ok":true,"id":1,"result":{"a":1}}\n';

/** Tries until there is room for one more connection. */
async function echoWhenTaken(site: SocketSite): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    using connection = await LocalConnection.open(site.sockets, "fluxify");
    const answer = await connection.ask("echo").catch((error) => error);
    if (!(answer instanceof Error)) return;
    equal((answer as Refusal).code, "busy");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("there was no room in time");
}

Deno.test("requests are answered in turn, on several connections, and refusals have their code", async () => {
  await using site = await SocketSite.create();
  await using _socket = await site.listen({
    echo: (args) => args,
    refuse: () => {
      throw new Refusal("not possible", "not now");
    },
    fail: () => Promise.reject(new Error("broken")),
  });
  using one = await LocalConnection.open(site.sockets, "fluxify");
  using two = await LocalConnection.open(site.sockets, "fluxify");
  deepEqual(await one.ask("echo", { a: 1 }), { a: 1 });
  deepEqual(await two.ask("echo"), {});
  deepEqual(await one.ask("echo", { b: [2] }), { b: [2] });
  const codeOf = async (command: string) => {
    const error = await one.ask(command).then(() => null, (error) => error);
    return error instanceof Refusal ? [error.code, error.message] : error;
  };
  deepEqual(await codeOf("refuse"), ["not possible", "not now"]);
  deepEqual(await codeOf("fail"), ["failed", "broken"]);
  const none = "there is no such command; there are: echo, refuse, fail";
  deepEqual(await codeOf("toString"), ["unknown command", none]);
});

Deno.test("requests that come together, or in pieces, or before the other side has shut up, are answered", async () => {
  await using site = await SocketSite.create();
  await using socket = await site.listen();
  using connection = await connectTo(socket.path);
  await write(connection, ECHO + ECHO.slice(0, 20));
  await write(connection, ECHO.slice(20) + "nonsense\n");
  await (connection as Deno.UnixConn).closeWrite();
  const answers = (await readAll(connection)).split("\n");
  deepEqual(answers.slice(0, 2), [ECHOED.trim(), ECHOED.trim()]);
  match(answers[2]!, /"ok":false,"id":null,"code":"bad request"/);
  equal(answers[3], "");
});

Deno.test("a line that is too long ends its connection, and no other", async () => {
  await using site = await SocketSite.create();
  await using socket = await site.listen();
  using other = await connectTo(socket.path);
  using connection = await connectTo(socket.path);
  await write(connection, "x".repeat(REQUEST_BYTES_MAX + 1));
  match(await readAll(connection), /^\{[^\n]*"code":"too long"[^\n]*\}\n$/);
  await write(other, ECHO);
  equal(await readAll(other, (text) => text.endsWith("\n")), ECHOED);
});

Deno.test("who says nothing, or half a request, is put out in time", async () => {
  await using site = await SocketSite.create();
  await using socket = await site.listen(undefined, { requestMs: 50 });
  for (const begun of ["", ECHO.slice(0, 10)]) {
    using connection = await connectTo(socket.path);
    await write(connection, begun);
    equal(await readAll(connection), "");
  }
});

Deno.test("who does not read an answer is put out, and others are answered meanwhile", async () => {
  await using site = await SocketSite.create();
  const result = "x".repeat(ANSWER_BYTES_MAX - 100);
  await using socket = await site.listen({ much: () => result, echo: (args) => args }, {
    writeMs: 100,
    connectionsMax: 2,
  });
  using slow = await connectTo(socket.path);
  await write(slow, '{"v":1,"id":1,"command":"much"}\n');
  using other = await LocalConnection.open(site.sockets, "fluxify");
  deepEqual(await other.ask("echo"), {});
  // Whoever reads gets all of it.
  equal(await other.ask("much"), result);
  await echoWhenTaken(site); // there is room once the slow one is out
  const { length } = await readAll(slow);
  ok(length < result.length, `${length}`);
});

Deno.test("a command that hangs is given up", async () => {
  await using site = await SocketSite.create();
  await using _socket = await site.listen({ hang: () => new Promise(() => {}) }, { commandMs: 50 });
  using connection = await LocalConnection.open(site.sockets, "fluxify");
  await rejects(connection.ask("hang"), /it took longer than 50 ms/);
});

Deno.test("of thousands of connections as many are kept as the limit says, and then others again", async () => {
  await using site = await SocketSite.create();
  await using socket = await site.listen(undefined, { connectionsMax: 4 });
  const kept = await Promise.all(Array.from({ length: 4 }, () => connectTo(socket.path)));
  for (const connection of kept) {
    await write(connection, ECHO);
    equal(await readAll(connection, (text) => text.endsWith("\n")), ECHOED);
  }
  for (let round = 0; round < 40; round++) {
    const many = await Promise.all(Array.from({ length: 50 }, () => connectTo(socket.path)));
    const texts = await Promise.all(many.map((connection) => readAll(connection)));
    for (const text of texts) match(text, /"code":"busy","message":"4 others are connected/);
    for (const connection of many) connection.close();
  }
  for (const connection of kept) connection.close();
  await echoWhenTaken(site);
});

Deno.test("the socket is for this user alone, or for a group, and is gone with its lock at the end", async () => {
  await using site = await SocketSite.create();
  for (const [groupId, mode] of [[null, 0o600], [Deno.gid(), 0o660]] as const) {
    const socket = await site.listen(undefined, {}, "fluxify", groupId);
    const info = await Deno.stat(socket.path);
    deepEqual([info.mode! & 0o777, info.gid], [mode, Deno.gid()]);
    equal((await Deno.stat(dirname(socket.path))).mode! & 0o777, 0o755);
    await socket[Symbol.asyncDispose]();
    deepEqual([...Deno.readDirSync(dirname(socket.path))], []);
  }
});

Deno.test("a socket that a dead instance left is replaced, one of a living instance never", async () => {
  await using site = await SocketSite.create();
  const first = await site.listen();
  await rejects(site.listen(), /another fluxify-client that runs is called 'fluxify'; .*-name/);
  using connection = await LocalConnection.open(site.sockets, "fluxify");
  deepEqual(await connection.ask("echo"), {});
  await using second = await site.listen(undefined, {}, "home");
  match(second.path, /client-home\.sock$/);
  deepEqual(await runningInstances(site.sockets), ["fluxify", "home"]);
  await first[Symbol.asyncDispose]();
  // As kill -9 leaves it.
  const stale = Deno.listen({ transport: "unix", path: first.path });
  await Deno.rename(first.path, `${first.path}.kept`);
  stale.close();
  await Deno.rename(`${first.path}.kept`, first.path);
  deepEqual(await runningInstances(site.sockets), ["home"]);
  await using third = await site.listen();
  equal(third.path, first.path);
  using again = await LocalConnection.open(site.sockets, "fluxify");
  deepEqual(await again.ask("echo"), {});
});

Deno.test("what is no socket is not removed", async () => {
  await using site = await SocketSite.create();
  await Deno.mkdir(site.sockets.directory, { mode: 0o755 });
  const path = `${site.sockets.directory}/client.sock`;
  await Deno.writeTextFile(path, "somebody's");
  await rejects(site.listen(), /something that is no socket lies there: remove it/);
  equal(await Deno.readTextFile(path), "somebody's");
});

Deno.test("a directory that others may write to, or that is none, is refused", async () => {
  await using site = await SocketSite.create();
  const { directory } = site.sockets;
  await Deno.mkdir(directory);
  await chmod(directory, 0o777);
  await rejects(site.listen(), /Cannot listen on .*client\.sock: others may write to it/);
  await Deno.remove(directory);
  await Deno.symlink("/tmp", directory);
  await rejects(site.listen(), /it is not a directory of the user/);
});

Deno.test("nothing that runs is said plainly, with the names of what does", async () => {
  await using site = await SocketSite.create();
  const open = (name: string) => LocalConnection.open(site.sockets, name);
  await rejects(open("fluxify"), new NotRunningError("no fluxify-client runs here"));
  await using _socket = await site.listen(undefined, {}, "home");
  await rejects(open("fluxify"), (error: Error) => {
    equal(
      error.message,
      "no fluxify-client called 'fluxify' runs here; running: home (name one with -name)",
    );
    return error instanceof NotRunningError;
  });
});

Deno.test("an answer that is under way at the end still comes", async () => {
  await using site = await SocketSite.create();
  const begun = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<string>();
  const socket = await site.listen({
    down: () => {
      begun.resolve();
      return stopped.promise;
    },
  });
  using connection = await LocalConnection.open(site.sockets, "fluxify");
  const answer = connection.ask("down");
  await begun.promise;
  stopped.resolve("everything is undone");
  await socket[Symbol.asyncDispose]();
  equal(await answer, "everything is undone");
  await rejects(connection.ask("down"), /the program has ended/);
});

/** What a process of user and group `id` gets told when it connects. */
async function connectAs(id: number, path: string): Promise<string> {
  const script = "socket(S, AF_UNIX, SOCK_STREAM, 0) or die $!; " +
    'print connect(S, sockaddr_un($ARGV[0])) ? "connected" : "$!"';
  const { stdout, stderr } = await new Deno.Command("setpriv", {
    args: [
      ...["--reuid", `${id}`, "--regid", `${id}`, "--clear-groups"],
      ...["perl", "-MSocket", "-e", script, path],
    ],
  }).output();
  equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).trim();
}

Deno.test({
  name: "a user without the right to is told so, one of the group is taken",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using site = await SocketSite.create();
    await Deno.chmod(dirname(site.sockets.directory), 0o755);
    await using own = await site.listen();
    equal(await connectAs(65534, own.path), "Permission denied");
    await using shared = await site.listen(undefined, {}, "home", 65534);
    equal(await connectAs(65534, shared.path), "connected");
    equal(await connectAs(65533, shared.path), "Permission denied");
  },
});
