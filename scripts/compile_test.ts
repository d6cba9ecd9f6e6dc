import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { canDownloadRuntime, writeDigests } from "./compile.ts";
import { checkTypes, compile, pack, packRuntime } from "./compile/build.ts";
import { packFile } from "./compile/launcher.ts";
import { CompileError } from "./compile/deno_command.ts";

const PROGRAM = { name: "tiny", entry: "main.ts" };
/** One module in two roles, as the native engine has it. */
const SOURCE = `import { isMainThread, Worker } from "node:worker_threads";
if (isMainThread) {
  const worker = new Worker(new URL(Deno.mainModule));
  worker.once("message", (said: string) => {
    console.log(said, typeof Deno.listenDatagram, ...Deno.args);
    Deno.exit(5);
  });
} else {
  const { parentPort } = await import("node:worker_threads");
  parentPort!.postMessage("worker runs");
}
`;

async function project(source: string) {
  const root = await Deno.makeTempDir();
  await Deno.writeTextFile(join(root, "deno.json"), '{ "unstable": ["net"] }');
  await Deno.writeTextFile(join(root, "main.ts"), source);
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

Deno.test("pack() builds one file that runs, worker and all, without the sources", async () => {
  await using made = await project(SOURCE);
  const { root } = made;
  const file = join(root, "tiny");
  await checkTypes(root, [PROGRAM]);
  // The runtime would end with an error of its own for this .npmrc.
  await Deno.mkdir(join(root, "home", ".npmrc"), { recursive: true });
  const env = { FLUXIFY_CACHE: join(root, "cache"), HOME: join(root, "home") };
  await pack(root, PROGRAM, file, await packRuntime(1), [PROGRAM.name]);
  await Deno.remove(join(root, "main.ts"));
  await Deno.remove(join(root, "deno.json"));
  for (const start of ["first", "second"]) {
    const { code, stdout, stderr } = await new Deno.Command(file, { args: ["--help", "a b"], env })
      .output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    equal(decode(stderr), "", start);
    deepEqual([decode(stdout), code], ["worker runs function --help a b\n", 5], start);
  }
});

Deno.test("pack() makes the same file twice, and its digest is one that sha256sum takes", async () => {
  await using made = await project(SOURCE);
  const { root } = made;
  const runtime = packFile(new TextEncoder().encode("runtime"), 9);
  for (const name of ["first", "second"]) {
    await pack(root, PROGRAM, join(root, name), runtime, [PROGRAM.name]);
  }
  deepEqual(await Deno.readFile(join(root, "first")), await Deno.readFile(join(root, "second")));
  await writeDigests(root, ["first", "second"]);
  const check = () => new Deno.Command("sha256sum", { args: ["-c", "SHA256SUMS"], cwd: root });
  equal((await check().output()).code, 0);
  await Deno.writeTextFile(join(root, "first"), "another");
  equal((await check().output()).code, 1);
});

Deno.test("compile() with the deno binary in place of denort checks the graph", async () => {
  await using good = await project(SOURCE);
  await compile(good.root, PROGRAM, join(good.root, "out"), Deno.execPath());
  ok((await Deno.stat(join(good.root, "out"))).size > 0);
  await using bad = await project('import "./missing.ts";');
  await rejects(compile(bad.root, PROGRAM, join(bad.root, "out"), Deno.execPath()), CompileError);
});

Deno.test("checkTypes() refuses what compile would let through", async () => {
  await using made = await project("const port: number = 'x'; console.log(port);");
  await rejects(checkTypes(made.root, [PROGRAM]), new CompileError("deno check failed"));
});

Deno.test("canDownloadRuntime() counts errors and silence as no", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => new Response(null, { status: request.url.endsWith("/there") ? 200 : 404 }),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  equal(await canDownloadRuntime(`${url}/there`, 60_000), true);
  equal(await canDownloadRuntime(`${url}/gone`, 60_000), false);
  await server.shutdown();
  equal(await canDownloadRuntime(`${url}/there`, 60_000), false);

  // The kernel completes the connection, and nobody ever reads from it.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  equal(await canDownloadRuntime(`http://127.0.0.1:${silent.addr.port}/there`, 50), false);
});
