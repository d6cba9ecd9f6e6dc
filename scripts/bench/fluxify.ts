/** Fluxify as a subject: both programs from source, over both links. */

import { join } from "node:path";
import type { Tunnel } from "./subject.ts";
import { LINKS, SERVER_ADDRESS, SERVER_TUNNEL_ADDRESS, type Testbed } from "./testbed.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const START_TIMEOUT_MS = 15_000;

export async function startFluxify(testbed: Testbed): Promise<Tunnel> {
  const { client, server, directory } = testbed;
  const pki = join(directory, "pki");
  const environment = (name: string) => ({
    cwd: ROOT,
    env: {
      FLUXIFY_STATE_DIR: join(directory, `${name}-state`),
      FLUXIFY_RUN_DIR: join(directory, `${name}-run`),
    },
  });
  for (const words of [["init"], ["new", "bench"]]) {
    await server.runWith(
      { ...environment("server"), timeoutMs: START_TIMEOUT_MS },
      ...[...program("server"), "cert", ...words, "-pki", pki],
    );
  }
  const serverProcess = server.spawn([
    ...program("server"),
    ...["-pki", pki, "-hosts", SERVER_ADDRESS, "-ctrl", "8443", "-port", "8000"],
  ], environment("server"));
  await serverProcess.waitForLine(/fluxify-server is ready/, START_TIMEOUT_MS);
  const clientProcess = client.spawn([
    ...program("client"),
    ...["-b", "-server", SERVER_ADDRESS, "-ifaces", LINKS.join(",")],
    ...["-cert", join(pki, "clients", "bench.bundle")],
  ], environment("client"));
  await clientProcess.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
  return {
    address: SERVER_TUNNEL_ADDRESS,
    pids: [serverProcess.pid, clientProcess.pid],
    description: `Fluxify on Deno ${Deno.version.deno}, with ${LINKS.length} links`,
  };
}

function program(name: "server" | "client"): string[] {
  return [Deno.execPath(), "run", "-A", `${name}/main.ts`];
}
