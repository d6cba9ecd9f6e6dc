import { deepEqual } from "node:assert/strict";

const MODULE = new URL("end_process.ts", import.meta.url).href;

/** A program that prints a line and ends, with C's `abort` registered for its end. */
function program(end: string): string {
  return `
    import { endProcess } from "${MODULE}";
    const { dlsym, __cxa_atexit } = Deno.dlopen("libc.so.6", {
      dlsym: { parameters: ["usize", "buffer"], result: "pointer" },
      __cxa_atexit: { parameters: ["pointer", "usize", "usize"], result: "i32" },
    }).symbols;
    const abort = dlsym(0n, new TextEncoder().encode("abort\\0"));
    if (abort === null || __cxa_atexit(abort, 0n, 0n) !== 0) throw new Error("no abort");
    Deno.stdout.writeSync(new TextEncoder().encode("done\\n"));
    ${end};
  `;
}

async function run(source: string): Promise<{ code: number; stdout: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, source);
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", "--no-check", file],
      stderr: "null",
    }).output();
    return { code, stdout: new TextDecoder().decode(stdout) };
  } finally {
    await Deno.remove(file);
  }
}

Deno.test("the end of a process runs nothing that C libraries have registered for it", async () => {
  deepEqual(await run(program("endProcess(7)")), { code: 7, stdout: "done\n" });
});

Deno.test("the runtime's own exit would run it, and abort", async () => {
  const SIGABRT = 6;
  deepEqual(await run(program("Deno.exit(7)")), { code: 128 + SIGABRT, stdout: "done\n" });
});
