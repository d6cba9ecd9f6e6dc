import { equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

async function run(program: "client" | "server", ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}${program}/main.ts`, ...args],
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("the words of both programs are completed, with one dash or two", async () => {
  match((await run("client", "complete", "--", "-sched")).stdout, /^-scheduler\t/);
  match((await run("client", "complete", "--", "--mt")).stdout, /^--mtu\t/);
  const values = (await run("client", "complete", "--", "-scheduler", "")).stdout;
  for (const name of ["flow", "stripe", "redundant", "failover"]) ok(values.includes(name), values);
  const short = (await run("client", "complete", "--", "-l")).stdout;
  match(short, /^-l\t[^]*^-log-json\t/m);
  ok(!short.includes("--"), short);
  match((await run("client", "complete", "--", "-cert", "")).stdout, /^:0$/m);
  match((await run("client", "complete", "--", "rest")).stdout, /^restore\t/);
  match((await run("server", "complete", "--", "cert", "re")).stdout, /^revoke\t/);
});

Deno.test("completion writes a script that each shell can read, and refuses others", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await run("client", "completion", shell);
    equal(code, 0);
    match(stdout, /fluxify-client/);
    if (shell !== "bash") continue;
    const bash = new Deno.Command("bash", { args: ["-n"], stdin: "piped", stderr: "piped" })
      .spawn();
    const writer = bash.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdout));
    await writer.close();
    const { code: parsed, stderr } = await bash.output();
    equal(parsed, 0, new TextDecoder().decode(stderr));
  }
  const { code, stderr } = await run("server", "completion", "tcsh");
  equal(code, 2);
  equal(stderr, "fluxify-server: completion is for bash, zsh or fish, not 'tcsh'\n");
});
