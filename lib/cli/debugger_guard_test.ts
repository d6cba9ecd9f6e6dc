import { deepEqual, ok } from "node:assert/strict";
import { Namespace, needsRoot } from "../../tests/netns/namespace.ts";

const GUARD = new URL("debugger_guard.ts", import.meta.url);
const SIGNALS = 200;
/** The runtime sets its handler half a second after the start; the signals go on until later. */
const EVERY_MS = 6;
const START_TIMEOUT_MS = 20_000;
/** Somebody without rights who asks the debugger's port for its sessions, again and again. */
const INTRUDER = `echo trying; while :; do
  { printf 'GET /json/version HTTP/1.1\\r\\nHost: 127.0.0.1:9229\\r\\n\\r\\n' >&3
    IFS= read -r -t 0.05 line <&3 && echo "intruded: $line"
  } 3<>/dev/tcp/127.0.0.1/9229
done 2>/dev/null`;

/** A program that lives until its standard input ends, and says so. */
const program = (guard: string) => `
  ${guard}
  for await (const _ of Deno.stdin.readable);
  console.log("ended well");
  Deno.exit(0);
`;

interface Outcome {
  code: number;
  endedWell: boolean;
  intruded: boolean;
}

/**
 * Sends SIGUSR1 200 times, from the first moment on, while somebody tries to get into the debugger.
 * As in the packed program, the signal is ignored until the runtime does otherwise. The port is
 * that of a network namespace of its own: other programs of the suite hold it as well.
 */
async function signalled(source: string): Promise<Outcome> {
  await using machine = await Namespace.create("debugger");
  const file = await Deno.makeTempFile({ prefix: "fluxify-guard-", suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, source);
    const intruder = machine.spawn([
      ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      ...["bash", "-c", INTRUDER],
    ]);
    await intruder.waitForLine(/trying/, START_TIMEOUT_MS);
    const child = machine.spawn([
      ...["sh", "-c", `trap '' USR1; echo starting; exec "$0" run -A --no-check "$1"`],
      ...[Deno.execPath(), file],
    ], { stdin: "piped" });
    await child.waitForLine(/starting/, START_TIMEOUT_MS);
    for (let sent = 0; sent < SIGNALS && child.exitCode === null; sent++) {
      child.signal("SIGUSR1");
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    await child.closeStdin();
    const { code } = await child.ended;
    return {
      code,
      endedWell: /ended well/.test(child.output("stdout")),
      intruded: /intruded/.test(intruder.output("stdout")),
    };
  } finally {
    await Deno.remove(file);
  }
}

Deno.test({
  name: "netns: guardAgainstDebugger() keeps the debugger shut through 200 signals",
  ...needsRoot(),
  async fn() {
    const guarded = `import { guardAgainstDebugger } from ${JSON.stringify(GUARD)};
                     guardAgainstDebugger();`;
    deepEqual(await signalled(program(guarded)), { code: 0, endedWell: true, intruded: false });
  },
});

Deno.test({
  name: "netns: without the guard somebody gets into the debugger",
  ...needsRoot(),
  async fn() {
    ok((await signalled(program(""))).intruded);
  },
});
