/**
 * docs/two-machines.md, typed line by line: the commands are taken from the page. The two machines
 * share a file system, so sudo, npx and scp are small scripts: the first runs what it is given, the
 * second the Deno that runs this, the third copies between the two home folders.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join, resolve } from "node:path";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import type { Child, Namespace } from "../netns/namespace.ts";
import { run } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab } from "./small_lab.ts";

const ROOT = resolve(import.meta.dirname!, "../..");
const NAME = "vpn.example.com";
const START_TIMEOUT_MS = 60_000;
const BUILD_TIMEOUT_MS = 240_000;
/** What the build needs of a clone. */
const CLONED = ["client", "deno.json", "deno.lock", "lib", "mod.ts", "scripts", "server", "tests"];

const SHIMS = {
  sudo: 'exec "$@"',
  npx: `[ "$1 $2" = "-y deno@2.9.6" ] || exit 9
shift 2
exec ${Deno.execPath()} "$@"`,
  scp: `case $1 in ${NAME}:*) exec cp "$SERVER_HOME/\${1#*:}" "$2";; esac
exit 9`,
};

/** A machine of the page: where it is, and where its user is at home. */
interface Machine {
  readonly namespace: Namespace;
  readonly home: string;
}

topic("e2e two machines by the page", async (scenario) => {
  await using lab = await createSmallLab();
  const page = await Deno.readTextFile(join(ROOT, "docs/two-machines.md"));
  const bin = join(lab.directory, "shims");
  await Deno.mkdir(bin);
  for (const [name, text] of Object.entries(SHIMS)) {
    await Deno.writeTextFile(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  const etc = join(lab.directory, "etc-hosts");
  await Deno.writeTextFile(etc, `127.0.0.1 localhost\n${SERVER_ADDRESS} ${NAME}\n`);
  const server = await machine(lab.directory, "server", lab.server);
  const client = await machine(lab.directory, "client", lab.client);
  const command = (line: string) => [
    ...[
      "unshare",
      "-m",
      "sh",
      "-ec",
      'mount --bind "$1" /etc/hosts; eval "exec $2"',
      "sh",
      etc,
      line,
    ],
  ];
  const environment = ({ home }: Machine) => ({
    cwd: join(home, "fluxify"),
    env: {
      HOME: home,
      USER: "root",
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      SERVER_HOME: server.home,
      FLUXIFY_STATE_DIR: join(home, "state"),
      FLUXIFY_RUN_DIR: join(home, "run"),
    },
  });
  const type = (where: Machine, line: string) =>
    where.namespace.runWith(
      { ...environment(where), timeoutMs: START_TIMEOUT_MS },
      ...command(line),
    );
  const start = async (where: Machine, line: string, ready: RegExp): Promise<Child> => {
    const child = where.namespace.spawn(command(line), environment(where));
    await child.waitForLine(ready, START_TIMEOUT_MS);
    return child;
  };

  await scenario("the build, once for both", async () => {
    const [line, ...more] = block(page, "sh");
    deepEqual(more, []);
    const { cwd, env } = environment(server);
    // Not in the namespace: what is missing of the packages is fetched.
    const { PATH } = env;
    const { success, stderr } = await new Deno.Command("sh", {
      args: ["-c", line!],
      cwd,
      env: { PATH },
      signal: AbortSignal.timeout(BUILD_TIMEOUT_MS),
    }).output();
    ok(success, new TextDecoder().decode(stderr));
    await run("cp", "-a", join(cwd, "bin"), join(client.home, "fluxify"));
  });

  await scenario("every line of the page, and back", async () => {
    const before = await hostState(lab.client);
    const [serve, ...onServer] = block(page, "sh server");
    const servers = await start(server, serve!, /fluxify-server is ready/);
    await servers.waitForLine(/cert new NAME" makes one; let TCP 8443 and UDP 8000/, 5_000, 0);
    for (const line of onServer) await type(server, line);
    const [folder, copy, bond, ...look] = block(page, "sh client");
    await type(client, folder!);
    await type(client, copy!);
    const clients = await start(client, bond!, /fluxify-client is up/);
    for (const line of look) {
      const expected = line.startsWith("ping") ? / 0% packet loss/ : /one +up[^]*two +up/;
      match((await type(client, line)).stdout, expected);
    }
    equal(await clients.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
    equal(await servers.stop("SIGINT"), 0);
    match(servers.tail(1), /stopped$/);
  });
});

async function machine(parent: string, name: string, namespace: Namespace): Promise<Machine> {
  const home = join(parent, `${name}-home`);
  await Deno.mkdir(join(home, "fluxify"), { recursive: true });
  for (const part of CLONED) await run("cp", "-a", join(ROOT, part), join(home, "fluxify"));
  return { namespace, home };
}

/** The lines of the block with that heading. */
function block(page: string, heading: string): string[] {
  const [, text] = new RegExp("```" + heading + "\n([^`]*)```").exec(page) ?? [];
  if (text === undefined) throw new Error(`Cannot find a block "${heading}" in the page`);
  return text.trim().split("\n");
}
