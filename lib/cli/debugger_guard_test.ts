import { ok } from "node:assert/strict";

const GUARD = new URL("debugger_guard.ts", import.meta.url);

/** Whether something takes connections at `address`, such as 127.0.0.1:9229. */
async function listens(address: string): Promise<boolean> {
  const [hostname, port] = address.split(":");
  try {
    using _ = await Deno.connect({ hostname: hostname!, port: Number(port) });
    return true;
  } catch {
    return false;
  }
}

Deno.test("guardAgainstDebugger() closes the inspector that SIGUSR1 opens", async () => {
  const program = await Deno.makeTempFile({ prefix: "fluxify-guard-", suffix: ".ts" });
  await Deno.writeTextFile(
    program,
    `import { guardAgainstDebugger } from ${JSON.stringify(GUARD)};
     guardAgainstDebugger();
     console.error("guarded");
     setTimeout(() => Deno.exit(3), 20_000);`,
  );
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let signals: ReturnType<typeof setInterval> | undefined;
  try {
    let seen = "";
    let address: string | undefined;
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      seen += decoder.decode(chunk, { stream: true });
      // Sent again until it works: the runtime may not have got round to listening yet.
      if (/guarded/.test(seen)) signals ??= setInterval(() => child.kill("SIGUSR1"), 100);
      address = /ws:\/\/([\d.:]+)\//.exec(seen)?.[1];
      if (address !== undefined) break;
    }
    clearInterval(signals);
    ok(address, `no inspector: ${seen}`);
    let isOpen = true;
    for (let look = 0; look < 200 && isOpen; look++) {
      isOpen = await listens(address);
      if (isOpen) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    ok(!isOpen, `the inspector stays open at ${address}`);
  } finally {
    clearInterval(signals);
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(program);
  }
});
