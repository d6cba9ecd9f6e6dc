/** The two programs as they run in the lab: from source, with keys and state in its directory. */

import { join } from "node:path";
import type { Child, SpawnOptions } from "../../tests/netns/namespace.ts";
import { type Lab, SERVER_ADDRESS } from "./lab.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const CONTROL_PORT = "8443";
const DATA_PORT = "8000";
const START_TIMEOUT_MS = 30_000;

interface ProgramOptions extends Pick<SpawnOptions, "onLine" | "env"> {
  /** Further arguments. */
  args?: readonly string[];
}

/** What a client needs of the lab: where it runs, its links, and a place for its state. */
export type ClientSite = Pick<Lab, "client" | "links" | "directory">;

interface ClientOptions extends ProgramOptions {
  /** Of several servers, in the user's order; the lab's own alone unless given. */
  servers?: readonly string[];
  /** Names of the interfaces; all links of the site unless given. */
  links?: readonly string[];
}

/** Makes the certificate authority on first use, and a client's certificate. Returns the bundle. */
export async function newClientCertificate(lab: Lab, name: string): Promise<string> {
  for (const words of [["init"], ["new", name]]) {
    await lab.server.runWith(
      { ...environment(lab, "server"), timeoutMs: START_TIMEOUT_MS },
      ...program("server"),
      ...["cert", ...words, "-pki", pkiDirectory(lab)],
    );
  }
  return join(pkiDirectory(lab), "clients", `${name}.bundle`);
}

/** Starts fluxify-server in the lab and returns when it takes clients. */
export async function startServer(lab: Lab, options: ProgramOptions = {}): Promise<Child> {
  const child = spawnServer(lab, options);
  await child.waitForLine(/fluxify-server is ready/, START_TIMEOUT_MS);
  return child;
}

/** Starts fluxify-server in the lab; it may end by itself, as its lines then say. */
export function spawnServer(lab: Lab, options: ProgramOptions = {}): Child {
  const { args = [], env, onLine } = options;
  return lab.server.spawn([
    ...program("server"),
    ...["-pki", pkiDirectory(lab), "-hosts", SERVER_ADDRESS],
    ...["-ctrl", CONTROL_PORT, "-port", DATA_PORT, "-v"],
    ...args,
  ], { ...environment(lab, "server", env), onLine });
}

/** Starts fluxify-client on all links, or those given, and returns when traffic flows. */
export async function startClient(
  site: ClientSite,
  bundle: string,
  options: ClientOptions = {},
): Promise<Child> {
  const child = spawnClient(site, bundle, options);
  await child.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
  return child;
}

/** Starts fluxify-client; it may end by itself, as its lines then say. */
export function spawnClient(
  site: ClientSite,
  bundle: string,
  options: ClientOptions = {},
): Child {
  const { args = [], env, onLine, servers, links = site.links.map(({ name }) => name) } = options;
  const server = servers === undefined
    ? ["-server", SERVER_ADDRESS]
    : ["-servers", servers.join(",")];
  return site.client.spawn([
    ...program("client"),
    ...["-b", ...server, "-ifaces", links.join(","), "-cert", bundle],
    ...args,
  ], { ...environment(site, "client", env), onLine });
}

/** The folder of the server's certificate authority. */
export function pkiDirectory(lab: Pick<Lab, "directory">): string {
  return join(lab.directory, "pki");
}

/** A folder with built programs, to be tried in the place of the source. */
export const BUILT_VARIABLE = "FLUXIFY_BUILT";

/**
 * The command that runs a program: from source, or as it was built where FLUXIFY_BUILT names a folder.
 * Its working directory is `environment().cwd`.
 */
export function program(name: "server" | "client"): string[] {
  const built = Deno.env.get(BUILT_VARIABLE);
  if (built !== undefined && built !== "") return [join(built, `fluxify-${name}`)];
  return [Deno.execPath(), "run", "-A", `${name}/main.ts`];
}

/** Where a program of the lab runs, and where it keeps its state. */
export function environment(
  lab: Pick<Lab, "directory">,
  name: "server" | "client",
  env: Record<string, string> = {},
) {
  return {
    cwd: ROOT,
    env: {
      FLUXIFY_STATE_DIR: join(lab.directory, `${name}-state`),
      FLUXIFY_RUN_DIR: join(lab.directory, `${name}-run`),
      // Sources ask for a newer runtime otherwise: a name that is looked up beside the tunnel.
      DENO_NO_UPDATE_CHECK: "1",
      ...env,
    },
  };
}
