/** The two programs as they run in the lab: from source, with keys and state in its directory. */

import { join } from "node:path";
import type { Child, SpawnOptions } from "../../tests/netns/namespace.ts";
import { type Lab, SERVER_ADDRESS } from "./lab.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const CONTROL_PORT = "8443";
const DATA_PORT = "8000";
const START_TIMEOUT_MS = 30_000;

export interface ProgramOptions extends Pick<SpawnOptions, "onLine" | "env"> {
  /** Further arguments. */
  args?: readonly string[];
}

/** Makes the certificate authority on first use, and a client's certificate. Returns the bundle. */
export async function newClientCertificate(lab: Lab, name: string): Promise<string> {
  await lab.server.runWith(
    { ...environment(lab, "server"), timeoutMs: START_TIMEOUT_MS },
    ...program("server"),
    ...["cert", "new", name, "-pki", pkiDirectory(lab)],
  );
  return join(pkiDirectory(lab), "clients", `${name}.bundle`);
}

/** Starts fluxify-server in the lab and returns when it takes clients. */
export async function startServer(lab: Lab, options: ProgramOptions = {}): Promise<Child> {
  const { args = [], env, onLine } = options;
  const child = lab.server.spawn([
    ...program("server"),
    ...["-pki", pkiDirectory(lab), "-hosts", SERVER_ADDRESS],
    ...["-ctrl", CONTROL_PORT, "-port", DATA_PORT, "-v"],
    ...args,
  ], { ...environment(lab, "server", env), onLine });
  await child.waitForLine(/fluxify-server is ready/, START_TIMEOUT_MS);
  return child;
}

/** Starts fluxify-client on all links, or those given, and returns when traffic flows. */
export async function startClient(
  lab: Lab,
  bundle: string,
  options: ProgramOptions & { links?: readonly string[] } = {},
): Promise<Child> {
  const { args = [], env, onLine, links = lab.links.map(({ name }) => name) } = options;
  const child = lab.client.spawn([
    ...program("client"),
    ...["-b", "-server", SERVER_ADDRESS, "-ifaces", links.join(","), "-cert", bundle],
    ...args,
  ], { ...environment(lab, "client", env), onLine });
  await child.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
  return child;
}

function pkiDirectory(lab: Lab): string {
  return join(lab.directory, "pki");
}

function program(name: "server" | "client"): string[] {
  return [Deno.execPath(), "run", "-A", `${name}/main.ts`];
}

function environment(lab: Lab, name: "server" | "client", env: Record<string, string> = {}) {
  return { cwd: ROOT, env: { FLUXIFY_STATE_DIR: join(lab.directory, `${name}-state`), ...env } };
}
