import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TemporaryDirectory } from "../testing/pki/temporary_directory.ts";

const SCRIPT = fileURLToPath(new URL("./diagnose.sh", import.meta.url));

function run(...args: string[]) {
  return runWith({}, ...args);
}

async function runWith(env: Record<string, string>, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: [SCRIPT, ...args],
    stdin: "null",
    env,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("diagnose.sh reports every section, and saves the report for its user alone", async () => {
  await using directory = await TemporaryDirectory.create();
  const file = join(directory.path, "report");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const { code, stdout, stderr } = await run("--server", `127.0.0.1:${port}`, "--output", file);
  equal(code, 0);
  equal(stderr, "");
  const sections = [...stdout.matchAll(/^== (.*)$/gm)].map(([, name]) => name);
  for (
    const section of [
      "System",
      "Interfaces",
      "Routing",
      "DNS",
      "Firewall and NAT",
      "TUN devices and other VPNs",
      "Connectivity",
      "Fluxify",
      "Network settings of the kernel",
      "What to do",
    ]
  ) ok(sections.includes(section), section);
  match(stdout, new RegExp(`TCP ${port} +open`));
  ok(stdout.includes(await Deno.readTextFile(file)));
  equal((await Deno.stat(file)).mode! & 0o777, 0o600);
});

Deno.test("diagnose.sh says what to do about a port that is closed", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  match(
    (await run("-s", `127.0.0.1:${port}`)).stdout,
    new RegExp(`- open TCP ${port} on the server`),
  );
});

Deno.test("diagnose.sh sees its ports among many that are listened on", async () => {
  await using directory = await TemporaryDirectory.create();
  const ss = join(directory.path, "ss");
  const lines = [...Array.from({ length: 30 }, (_, index) => 9000 + index), 8443]
    .map((port) => `tcp LISTEN 0 128 0.0.0.0:${port} 0.0.0.0:*`);
  await Deno.writeTextFile(ss, `#!/bin/sh\ncat <<END\n${lines.join("\n")}\nEND\n`, { mode: 0o755 });
  const { stdout } = await runWith({ PATH: `${directory.path}:${Deno.env.get("PATH")}` });
  match(stdout, /^== Fluxify\n[^=]*0\.0\.0\.0:8443 /m);
  ok(!stdout.includes("nothing listens"));
});

Deno.test("diagnose.sh counts the headers of the family that is asked over", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = { PATH: `${directory.path}:${Deno.env.get("PATH")}` };
  // Links of 1500 bytes: what the payload may have, by family.
  for (const [address, payload] of [["127.0.0.1", 1472], ["[::1]", 1452]] as const) {
    const ping = `#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" = -s ] && [ "$2" -gt ${payload} ] && exit 1; shift; done
exit 0
`;
    await Deno.writeTextFile(join(directory.path, "ping"), ping, { mode: 0o755 });
    const { stdout } = await runWith(path, "--server", `${address}:9`);
    match(stdout, /path MTU +1500$/m, address);
  }
});

Deno.test("diagnose.sh refuses what it does not know", async () => {
  const cases: [string[], RegExp][] = [
    [["--bogus"], /unknown option '--bogus'/],
    [["--server"], /--server needs a value/],
    [["--server", "a;reboot"], /must be a name or an address/],
    [["--server", "-x"], /must be a name or an address/],
    [["--server", "host:port"], /a port that is no number: 'port'/],
    [["--output", "/nowhere/at/all"], /cannot write/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await run(...args);
    equal(code, 2, args.join(" "));
    match(stderr, message);
  }
  equal((await run("--help")).code, 0);
});

for (const script of ["diagnose.sh", "test_bonding_e2e.sh"]) {
  Deno.test({
    name: `shellcheck finds nothing in ${script}`,
    ignore: !hasShellcheck(),
    fn: async () => {
      const path = join(SCRIPT, "..", script);
      const { code, stdout } = await new Deno.Command("shellcheck", { args: [path] }).output();
      equal(code, 0, new TextDecoder().decode(stdout));
    },
  });
}

function hasShellcheck(): boolean {
  try {
    return new Deno.Command("shellcheck", { args: ["--version"], stdout: "null" }).outputSync()
      .success;
  } catch {
    console.warn("the scripts are not checked: install shellcheck");
    return false;
  }
}
