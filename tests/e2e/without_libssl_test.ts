/** Both programs on machines without libssl: TLS in a process of its own, under the same rules. */
import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { environment, newClientCertificate, program } from "../../scripts/lab/programs.ts";
import { topic } from "./scenario.ts";
import { cert, createSmallLab, ending, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 40_000;

/** An empty file in the place of libssl, for one program. */
const HIDE = `mount --bind /dev/null "$1"
shift
exec "$@"`;

async function libssl(): Promise<string> {
  const { stdout } = await new Deno.Command("ldconfig", { args: ["-p"] }).output();
  const path = /libssl\.so\.3 .*=> (\S+)/.exec(new TextDecoder().decode(stdout))?.[1];
  if (path === undefined) throw new Error("There is no libssl to hide");
  return await Deno.realPath(path);
}

topic("e2e without libssl", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const other = await newClientCertificate(lab, "tablet");
  const hidden = ["unshare", "-m", "sh", "-ec", HIDE, "sh", await libssl()];
  const server = lab.server.spawn([
    ...[...hidden, ...program("server")],
    ...["-hosts", SERVER_ADDRESS, "-pki", join(lab.directory, "pki")],
  ], environment(lab, "server"));
  await server.waitForLine(/fluxify-server is ready|ready/, STATE_TIMEOUT_MS);
  match(server.tail(50), /Cannot load libssl\.so\.3: install .*a process of its own/);
  const args = ["-b", "-server", SERVER_ADDRESS, "-ifaces", LINKS.join(",")];
  const client = (from: string[], file: string, ...more: string[]) =>
    lab.client.spawn(
      [...from, ...program("client"), ...args, "-cert", file, ...more],
      environment(lab, "client"),
    );

  for (const [what, from] of [["with", []], ["without", hidden]] as const) {
    await scenario(`a client ${what} libssl at a server without`, async (measure) => {
      const startedMs = performance.now();
      const running = client([...from], bundle);
      await running.waitForLine(/fluxify-client is up/, STATE_TIMEOUT_MS);
      measure("up after", performance.now() - startedMs, "ms");
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await running.stop("SIGINT"), 0);
    });
  }

  await scenario("data inside TLS is refused here, and missed there, with what to do", async () => {
    const here = await ending(client(hidden, bundle, "-transport", "tls"));
    equal(here.exitCode, 1);
    match(here.text, /Cannot load libssl\.so\.3: install .*nothing can go inside TLS/);
    const there = await ending(client([], bundle, "-once", "-transport", "tls"));
    equal(there.exitCode, 1);
    match(there.text, /the server at \S+ does not carry data inside TLS: bring it up to date/);
    match(there.text, /No answer from \S+ inside TLS over any link/);
  });

  await scenario("a revoked client is refused", async () => {
    equal((await cert(lab, "revoke", "tablet")).exitCode, 0);
    const { exitCode, text } = await ending(client(hidden, other, "-once"));
    equal(exitCode, 1);
    match(text, /revoked/);
  });
  equal(await server.stop("SIGINT"), 0);
});
