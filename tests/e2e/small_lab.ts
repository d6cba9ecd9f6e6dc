/**
 * The lab the scenarios use: two links without shaping, so that it stands in half a second, and
 * sites for further clients:
 *
 *   client  one, two  10.71.1.2, 10.71.2.2 ---+
 *                                             router --- server, internet (see scripts/lab/lab.ts)
 *   tablet  tablet1, tablet2  10.72.1.2 ... --+
 */

import { join } from "node:path";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import {
  type ClientSite,
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { type Child, connect, Namespace, type Output } from "../netns/namespace.ts";

export const LINKS = ["one", "two"] as const;
export const SERVER_INNER = "10.8.0.1";
export const SERVER_INNER6 = "fd00:8::1";
/** Where a person would ping to: the server inside the tunnel, the internet behind its NAT. */
export const FAR_ADDRESSES = [SERVER_INNER, SERVER_INNER6, INTERNET_ADDRESS, INTERNET_ADDRESS6];

const END_TIMEOUT_MS = 30_000;

export function createSmallLab(): Promise<Lab> {
  const links = LINKS.map((name) => ({ name, rateMbit: 0, rttMs: 0 }));
  return Lab.create({ links, shaping: "none" });
}

/** A lab whose server runs, with one client on both links. */
interface RunningLab {
  lab: Lab;
  server: Child;
  client: Child;
  bundle: string;
}

export async function startBoth(
  lab: Lab,
  serverArgs: readonly string[] = [],
): Promise<RunningLab> {
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, { args: serverArgs });
  const client = await startClient(lab, bundle);
  return { lab, server, client, bundle };
}

/**
 * A machine of its own on two further links of the router, for another client: `number` 1 gives it
 * 10.72.1.2 on `<label>1` and 10.72.2.2 on `<label>2`, number 2 has 10.73, and so on.
 */
export async function addSite(
  lab: Lab,
  cleanup: AsyncDisposableStack,
  label: string,
  number = 1,
): Promise<ClientSite> {
  const client = cleanup.use(await Namespace.create(label));
  const links = [1, 2].map((link) => ({ name: `${label}${link}`, rateMbit: 0, rttMs: 0 }));
  for (const [index, { name }] of links.entries()) {
    const networks = [`10.${71 + number}.${index + 1}.`, `fd${71 + number}:${index + 1}::`];
    await connect(client, lab.router, {
      a: { name, addresses: [`${networks[0]}2/24`, `${networks[1]}2/64`] },
      b: { name, addresses: [`${networks[0]}1/24`, `${networks[1]}1/64`] },
    });
    for (const network of networks) {
      await client.run(
        ...["ip", "route", "add", "default", "via", `${network}1`, "dev", name],
        ...["metric", String((index + 1) * 100)],
      );
    }
  }
  const directory = join(lab.directory, label);
  await Deno.mkdir(directory);
  return { client, links, directory };
}

/** Pings until an answer comes. */
export async function ping(from: Namespace, address: string, ...options: string[]): Promise<void> {
  await from.run("ping", "-c1", "-i0.2", "-w10", ...options, address);
}

export async function pingAll(from: Namespace, addresses: readonly string[]): Promise<void> {
  await Promise.all(addresses.map((address) => ping(from, address)));
}

/** The addresses a client's log says it has got. */
export async function innerAddresses(client: Child): Promise<[ipv4: string, ipv6: string]> {
  const [, ipv4 = "", ipv6 = ""] = await client.waitForLine(/is up: (\S+) and (\S+) over/, 1000);
  return [ipv4, ipv6];
}

/** How a program that does not run for long ended. */
export interface Ending {
  exitCode: number;
  /** Both streams. */
  text: string;
}

/** Waits until a program has ended by itself. */
export async function ending(child: Child): Promise<Ending> {
  const timer = setTimeout(() => child.signal("SIGKILL"), END_TIMEOUT_MS);
  const { code } = await child.ended;
  clearTimeout(timer);
  return { exitCode: code, text: child.tail(100) };
}

/** Runs `fluxify-server cert ...` to its end. */
export function cert(lab: Lab, ...args: string[]): Promise<Ending> {
  const command = [...program("server"), "cert", ...args, "-pki", join(lab.directory, "pki")];
  return ending(lab.server.spawn(command, environment(lab, "server")));
}

/** Runs `fluxify-client restore`; fails when it does. */
export function restore(site: ClientSite): Promise<Output> {
  return site.client.runWith(environment(site, "client"), ...program("client"), "restore");
}

export { SERVER_ADDRESS };
