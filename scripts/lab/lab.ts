/**
 * The laboratory shared by the demo, the end-to-end tests and the benchmarks: a client with several
 * uplinks, a server, and a host on the internet, each in a network namespace of its own.
 *
 *   client                  emulator      router                        server
 *    fiber  10.71.1.2/24 ===( rate )=== 10.71.1.1  fiber                 wan
 *           fd71:1::2/64    ( delay)    fd71:1::1         203.0.113.1 --- 203.0.113.10/24
 *    dsl    10.71.2.2/24 ===( queue)=== 10.71.2.1  dsl    2001:db8:113::1   2001:db8:113::10/64
 *           fd71:2::2/64    ( loss )    fd71:2::1
 *    mobile 10.71.3.2/24 ===(      )=== 10.71.3.1  mobile               internet
 *           fd71:3::2/64                fd71:3::1                        wan
 *                                                        198.51.100.1 --- 198.51.100.10/24
 *                                                        2001:db8:51::1   2001:db8:51::10/64
 *
 * - Link number N of the client has 10.71.N.0/24 and fd71:N::/64, and a default route of its own; the
 *   first link's has the lowest metric.
 * - The router forwards, and like an internet provider drops what comes from a link with another
 *   link's address.
 * - The internet host knows the way to the server's addresses only. So whatever reaches it and
 *   gets an answer went through the server and its NAT; without the tunnel the client cannot.
 * - Without shaping the links are plain veth pairs, and nothing but the processor limits them.
 */

import { connect, Namespace } from "../../tests/netns/namespace.ts";
import { configure } from "../../tests/netns/veth.ts";
import { Emulator } from "../emulator/emulator.ts";
import type { DirectionSettings } from "../emulator/link_model.ts";
import { TemporaryDirectory } from "./temporary_directory.ts";

export interface LabLink {
  /** Name of the client's interface, at most 12 letters, digits, - and _. */
  name: string;
  /** Rate of IP packets in each direction, in 10^6 bit/s; `up` and `down` may differ from it. */
  rateMbit: number;
  /** Round trip time of the empty link; half of it in each direction. */
  rttMs: number;
  mtuBytes?: number;
  /** What else the emulator shall do in one direction. */
  up?: Partial<DirectionSettings>;
  down?: Partial<DirectionSettings>;
}

interface LabOptions {
  links?: readonly LabLink[];
  /** "none": plain veth pairs, `rateMbit`, `rttMs`, `up` and `down` do not count. */
  shaping?: "emulated" | "none";
  /** Seed of the random losses and jitter. */
  seed?: number;
}

const DEMO_LINKS: readonly LabLink[] = [
  { name: "fiber", rateMbit: 50, rttMs: 20 },
  { name: "dsl", rateMbit: 20, rttMs: 40 },
  { name: "mobile", rateMbit: 10, rttMs: 60 },
];

export const SERVER_ADDRESS = "203.0.113.10";
export const SERVER_ADDRESS6 = "2001:db8:113::10";
export const INTERNET_ADDRESS = "198.51.100.10";
export const INTERNET_ADDRESS6 = "2001:db8:51::10";

const LINKS_MAX = 64;
const METRIC_STEP = 100;

export class Lab implements AsyncDisposable {
  readonly links: readonly LabLink[];
  readonly client: Namespace;
  readonly router: Namespace;
  readonly server: Namespace;
  readonly internet: Namespace;
  /** For certificates and state; gone with the lab. */
  readonly directory: string;
  /** Null without shaping. */
  readonly emulator: Emulator | null;
  #cleanup: AsyncDisposableStack;

  private constructor(parts: Parts, cleanup: AsyncDisposableStack) {
    this.links = parts.links;
    this.client = parts.client;
    this.router = parts.router;
    this.server = parts.server;
    this.internet = parts.internet;
    this.directory = parts.directory;
    this.emulator = parts.emulator;
    this.#cleanup = cleanup;
  }

  /** Builds the network and returns when the server answers over each link, by IPv4 and IPv6. */
  static async create(options: LabOptions = {}): Promise<Lab> {
    const { links = DEMO_LINKS, shaping = "emulated", seed = 1 } = options;
    if (links.length < 1 || links.length > LINKS_MAX) {
      throw new RangeError(`Cannot build a lab with ${links.length} links; 1 to ${LINKS_MAX} work`);
    }
    await using cleanup = new AsyncDisposableStack();
    const directory = cleanup.use(await TemporaryDirectory.create("lab")).path;
    const client = cleanup.use(await Namespace.create("client"));
    const router = cleanup.use(await Namespace.create("router"));
    const server = cleanup.use(await Namespace.create("server"));
    const internet = cleanup.use(await Namespace.create("internet"));
    const emulator = shaping === "none" ? null : cleanup.use(await startEmulator(links, seed));
    const parts: Parts = { links, client, router, server, internet, directory, emulator };

    await prepareRouter(parts);
    for (const [i, link] of links.entries()) await addLink(parts, link, i + 1);
    await addServer(parts);
    await addInternet(parts);
    await waitForServer(parts);
    return new Lab(parts, cleanup.move());
  }

  /** The link of that name; throws when the lab has none. */
  link(name: string): LabLink {
    const link = this.links.find((link) => link.name === name);
    if (!link) throw new RangeError(`The lab has no link "${name}"`);
    return link;
  }

  /** The client's IPv4 address on a link. */
  clientAddress(name: string): string {
    return `10.71.${this.links.indexOf(this.link(name)) + 1}.2`;
  }

  /** Makes a link carry nothing, without telling anybody, as when the line behind the modem breaks. */
  async cut(name: string): Promise<void> {
    await this.#setCut(name, true);
  }

  async restore(name: string): Promise<void> {
    await this.#setCut(name, false);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanup.disposeAsync();
  }

  async #setCut(name: string, cut: boolean): Promise<void> {
    if (!this.emulator) throw new Error("Cannot cut a link of a lab without shaping");
    await this.emulator.change(this.link(name).name, { cut });
  }
}

interface Parts {
  links: readonly LabLink[];
  client: Namespace;
  router: Namespace;
  server: Namespace;
  internet: Namespace;
  directory: string;
  emulator: Emulator | null;
}

function startEmulator(links: readonly LabLink[], seed: number): Promise<Emulator> {
  return Emulator.start({
    seed,
    links: links.map(({ name, rateMbit, rttMs, up, down }) => {
      const both = { rateMbit, delayMs: rttMs / 2 };
      return { name, up: { ...both, ...up }, down: { ...both, ...down } };
    }),
  });
}

async function prepareRouter({ router }: Parts): Promise<void> {
  await router.sysctl("net.ipv4.ip_forward", 1);
  await router.sysctl("net.ipv6.conf.all.forwarding", 1);
  // Strict: an address must come in where the way back to it goes out.
  await router.sysctl("net.ipv4.conf.all.rp_filter", 1);
}

async function addLink(parts: Parts, link: LabLink, number: number): Promise<void> {
  const { client, router, emulator } = parts;
  const { name } = link;
  const near = { name, addresses: [`10.71.${number}.2/24`, `fd71:${number}::2/64`] };
  const far = { name, addresses: [`10.71.${number}.1/24`, `fd71:${number}::1/64`] };
  const mtuBytes = link.mtuBytes ?? 1500;
  if (emulator) {
    await emulator.place(name, { namespace: client, name }, { namespace: router, name });
    for (const [namespace, end] of [[client, near], [router, far]] as const) {
      await namespace.run("ip", "link", "set", name, "mtu", String(mtuBytes));
      await configure(namespace, end);
    }
  } else {
    await connect(client, router, { a: near, b: far, mtuBytes });
  }
  const metric = String(number * METRIC_STEP);
  for (const gateway of [`10.71.${number}.1`, `fd71:${number}::1`]) {
    await client.run(
      ...["ip", "route", "add", "default", "via", gateway, "dev", name, "metric", metric],
    );
  }
  await router.run(
    ...["ip6tables", "-w", "-A", "FORWARD", "-i", name, "!", "-s", `fd71:${number}::/64`],
    ...["-j", "DROP"],
  );
}

async function addServer({ router, server }: Parts): Promise<void> {
  await connect(router, server, {
    a: { name: "server", addresses: ["203.0.113.1/24", "2001:db8:113::1/64"] },
    b: { name: "wan", addresses: [`${SERVER_ADDRESS}/24`, `${SERVER_ADDRESS6}/64`] },
  });
  await server.run("ip", "route", "add", "default", "via", "203.0.113.1");
  await server.run("ip", "route", "add", "default", "via", "2001:db8:113::1");
}

async function addInternet({ router, internet }: Parts): Promise<void> {
  await connect(router, internet, {
    a: { name: "internet", addresses: ["198.51.100.1/24", "2001:db8:51::1/64"] },
    b: { name: "wan", addresses: [`${INTERNET_ADDRESS}/24`, `${INTERNET_ADDRESS6}/64`] },
  });
  await internet.run("ip", "route", "add", `${SERVER_ADDRESS}/32`, "via", "198.51.100.1");
  await internet.run("ip", "route", "add", `${SERVER_ADDRESS6}/128`, "via", "2001:db8:51::1");
}

async function waitForServer({ client, links }: Parts): Promise<void> {
  const pings = links.flatMap(({ name }) =>
    [SERVER_ADDRESS, SERVER_ADDRESS6].map((address) =>
      // -w with -c: repeats every 0.2 s until one answer came, so a first loss does not matter.
      client.run("ping", "-c1", "-i0.2", "-w10", "-I", name, address)
    )
  );
  await Promise.all(pings);
}
