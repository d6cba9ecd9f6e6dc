import { deepEqual, equal, ok } from "node:assert/strict";
import { until } from "../../testing/until.ts";

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** A program that says when it runs and when it is hung up, and ends with `stopped`. */
function program(onHangUp: "stop" | "reload"): string {
  return `
    import { runProgram } from ${JSON.stringify(import.meta.resolve("./run_program.ts"))};
    const say = (word) => Deno.writeTextFileSync(Deno.args[0], word + "\\n", { append: true });
    const body = async (signal) => {
      const alive = setInterval(() => {}, 1000);
      say("running");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      clearInterval(alive);
      say("stopped");
    };
    const log = { logLevel: "info", logFormat: "text" };
    const onHangUp = ${onHangUp === "stop" ? '"stop"' : '() => say("reloaded")'};
    Deno.exit(await runProgram("test", log, body, onHangUp));`;
}

class Running implements AsyncDisposable {
  private constructor(
    readonly child: Deno.ChildProcess,
    readonly directory: string,
    readonly path: string,
  ) {}

  static async start(
    onHangUp: "stop" | "reload",
    wrap: (source: string, path: string) => string[],
  ): Promise<Running> {
    const directory = await Deno.makeTempDir({ prefix: `fluxify-run-${Deno.pid}-` });
    const [source, path] = [`${directory}/program.ts`, `${directory}/said`];
    await Deno.writeTextFile(source, program(onHangUp));
    await Deno.writeTextFile(path, "");
    const [name, ...args] = wrap(source, path);
    const child = new Deno.Command(name!, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const running = new Running(child, directory, path);
    try {
      await running.says("running");
    } catch (error) {
      await running[Symbol.asyncDispose]();
      throw error;
    }
    return running;
  }

  get said(): string[] {
    return Deno.readTextFileSync(this.path).trim().split("\n");
  }

  /** Waits until the program has said as many words, the last of them `word`. */
  async says(word: string, count = 1): Promise<void> {
    await until(
      `"${word}" is said`,
      () => this.said.filter((each) => each === word).length >= count,
      30_000,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.child.status;
    await Deno.remove(this.directory, { recursive: true });
  }
}

const plain = (source: string, path: string) => [
  Deno.execPath(),
  ...["run", "-A", "--no-lock", "--config", CONFIG, source, path],
];

Deno.test("A hang-up stops a program", async () => {
  await using running = await Running.start("stop", plain);
  running.child.kill("SIGHUP");
  equal((await running.child.status).code, 0);
  deepEqual(running.said, ["running", "stopped"]);
});

Deno.test("A hang-up is told to a program that reloads, as often as it comes", async () => {
  await using running = await Running.start("reload", plain);
  for (let count = 1; count <= 3; count++) {
    running.child.kill("SIGHUP");
    await running.says("reloaded", count);
  }
  running.child.kill("SIGTERM");
  equal((await running.child.status).code, 0);
  deepEqual(running.said, ["running", "reloaded", "reloaded", "reloaded", "stopped"]);
});

Deno.test("A program that reloads stops when its terminal is gone", async () => {
  // script(1) gives its command a terminal, which goes with it.
  const onTerminal = (source: string, path: string) => [
    ...["script", "-q", "-c", plain(source, path).join(" ")],
    "/dev/null",
  ];
  await using running = await Running.start("reload", onTerminal);
  running.child.kill("SIGKILL");
  await running.says("stopped");
  ok(!running.said.includes("reloaded"));
});

Deno.test("An error is one line of text, or one JSON object a line where the log is", async () => {
  const fail = async (logFormat: "text" | "json", logLevel: "info" | "debug") => {
    const source = `
      import { runProgram } from ${JSON.stringify(import.meta.resolve("./run_program.ts"))};
      const body = () => Promise.reject(new Error("Cannot start:\\nno disk", { cause: "full" }));
      const log = { logLevel: "${logLevel}", logFormat: "${logFormat}" };
      Deno.exit(await runProgram("test", log, body));`;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-lock", "--config", CONFIG, source],
    }).output();
    equal(code, 1);
    equal(stdout.length, 0);
    return new TextDecoder().decode(stderr);
  };
  equal(await fail("text", "info"), "test: Cannot start:\\nno disk: full\n");
  for (const level of ["info", "debug"] as const) {
    const lines = (await fail("json", level)).split("\n");
    equal(lines.pop(), "");
    const [record] = lines.map((line) => JSON.parse(line));
    equal(lines.length, 1);
    equal(record.level, "FATAL");
    equal(record.message, "Cannot start:\\nno disk: full");
    equal(typeof record.properties.stack, level === "debug" ? "string" : "undefined");
  }
});
