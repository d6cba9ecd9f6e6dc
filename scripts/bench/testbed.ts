/**
 * What is measured, and with what: a subject (Fluxify, a tunnel to compare it with, or no tunnel)
 * between two network namespaces of its own, iperf3 and ping, and the counters of /proc.
 *
 *   client                                server
 *     wan1 10.81.1.2/24 ----------------- wan1 10.81.1.1/24
 *     wan2 10.81.2.2/24 ----------------- wan2 10.81.2.1/24
 *                                         lo   203.0.113.10/32, where the tunnels end
 *     tunnel 10.8.0.x ------------------- tunnel 10.8.0.1, where iperf3 listens
 *
 * The links are plain veth pairs: nothing but the processor limits them. Everything of one subject
 * happens on this machine, so it shares the cores with iperf3 and the other end. Figures
 * are for comparing subjects on one machine, not machines.
 */

import { connect, Namespace } from "../../tests/netns/namespace.ts";
import { TemporaryDirectory } from "../lab/temporary_directory.ts";

export const LINKS = ["wan1", "wan2"] as const;
/** Of the server, outside the tunnel; reached over either link. */
export const SERVER_ADDRESS = "203.0.113.10";
/** Of the server, inside the tunnel. */
export const SERVER_TUNNEL_ADDRESS = "10.8.0.1";
export const CLIENT_TUNNEL_ADDRESS = "10.8.0.2";
/** Of the server on the first link: traffic to it takes no tunnel. */
export const LINK_ADDRESS = "10.81.1.1";

const METRIC_STEP = 100;

/** The TCP algorithm of the testbed's namespaces; only the host can change it. */
export function tcpCongestionControl(): string {
  return Deno.readTextFileSync("/proc/sys/net/ipv4/tcp_congestion_control").trim();
}

export class Testbed implements AsyncDisposable {
  readonly client: Namespace;
  readonly server: Namespace;
  /** For keys, certificates and state; gone with the testbed. */
  readonly directory: string;
  #cleanup: AsyncDisposableStack;

  private constructor(
    client: Namespace,
    server: Namespace,
    directory: string,
    cleanup: AsyncDisposableStack,
  ) {
    this.client = client;
    this.server = server;
    this.directory = directory;
    this.#cleanup = cleanup;
  }

  /** Builds the network. `label`: a few letters, different for each testbed. */
  static async create(label: string): Promise<Testbed> {
    await using cleanup = new AsyncDisposableStack();
    const directory = cleanup.use(await TemporaryDirectory.create(`bench-${label}`)).path;
    const client = cleanup.use(await Namespace.create(`${label}-client`));
    const server = cleanup.use(await Namespace.create(`${label}-server`));
    await server.run("ip", "address", "add", `${SERVER_ADDRESS}/32`, "dev", "lo");
    for (const [i, name] of LINKS.entries()) await addLink(client, server, name, i + 1);
    // The server looks for its way to the internet; nothing is ever sent there.
    await server.run("ip", "route", "add", "default", "via", "10.81.1.2");
    return new Testbed(client, server, directory, cleanup.move());
  }

  /** Bytes that each link has carried so far, both directions together, in the order of LINKS. */
  async linkBytes(): Promise<number[]> {
    const { stdout } = await this.client.run("cat", "/proc/net/dev");
    return LINKS.map((name) => parseInterfaceBytes(stdout, name));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanup.disposeAsync();
  }
}

async function addLink(
  client: Namespace,
  server: Namespace,
  name: string,
  number: number,
): Promise<void> {
  const gateway = `10.81.${number}.1`;
  await connect(client, server, {
    a: { name, addresses: [`10.81.${number}.2/24`] },
    b: { name, addresses: [`${gateway}/24`] },
  });
  const metric = String(number * METRIC_STEP);
  await client.run(
    ...["ip", "route", "add", "default", "via", gateway, "dev", name, "metric", metric],
  );
}

/** Bytes received and sent by an interface; reads /proc/net/dev, proc(5). */
export function parseInterfaceBytes(text: string, name: string): number {
  const line = text.split("\n").find((line) => line.trimStart().startsWith(`${name}:`));
  const counters = line?.slice(line.indexOf(":") + 1).trim().split(/\s+/).map(Number) ?? [];
  const bytes = (counters[0] ?? NaN) + (counters[8] ?? NaN);
  if (Number.isNaN(bytes)) throw new Error(`Cannot read the counters of ${name}`);
  return bytes;
}
