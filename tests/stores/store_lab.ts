/**
 * Three servers that share a store of three machines, and machines with clients, each in a network
 * namespace of its own, on one network:
 *
 *   server1..3  10.90.0.1-3 ---+            +--- 10.90.0.11-13  store1..3 (nats-server)
 *                              +--- switch ---+
 *   clients1..4 10.90.1.1-4 ---+
 *               10.91.1.1   ---+  (a second link of clients1, by way of the switch)
 *
 * A machine is cut off by taking its port of the switch down. The servers have one authority, each in
 * a folder of its own; the store wants TLS and a password.
 */
import { join } from "node:path";
import { loadAuthority, serverTree } from "../../lib/pki/server_tree.ts";
import { generateKey } from "../../lib/pki/private_key.ts";
import { environment, program } from "../../scripts/lab/programs.ts";
import { TemporaryDirectory } from "../../scripts/lab/temporary_directory.ts";
import { natsServer } from "../daemons/packages.ts";
import { type Child, connect, Namespace } from "../netns/namespace.ts";
import type { Joined } from "./joining_program.ts";
import { TestAuthority } from "../support/test_certificates.ts";

const START_TIMEOUT_MS = 30_000;
const STATE_TIMEOUT_MS = 60_000;
/** How long a client may ask; a busy machine takes its time. */
const JOIN_SECONDS = 60;
const CLIENT_MACHINES = 4;
const NUMBERS = [1, 2, 3];
/** A default route for clients; nothing is behind it. */
const GATEWAY = "10.90.255.254";
const SECOND_GATEWAY = "10.91.255.254";
const PASSWORD = "a-word-that-no-log-may-have";

export const serverAddress = (number: number) => `10.90.0.${number}`;
const storeAddress = (number: number) => `10.90.0.1${number}`;

interface Machine {
  readonly namespace: Namespace;
  /** Its port of the switch. */
  readonly port: string;
  child: Child | null;
}

interface ServerMachine extends Machine {
  /** For its certificates and state. */
  readonly directory: string;
}

export class StoreLab implements AsyncDisposable {
  readonly servers: readonly ServerMachine[];
  readonly clients: readonly Machine[];
  readonly directory: string;
  readonly #stores: readonly Machine[];
  readonly #switch: Namespace;
  readonly #storeFiles: { certificate: string; key: string; ca: string; credentials: string };
  readonly #cleanup: AsyncDisposableStack;

  private constructor(parts: Parts, cleanup: AsyncDisposableStack) {
    this.servers = parts.servers;
    this.clients = parts.clients;
    this.directory = parts.directory;
    this.#stores = parts.stores;
    this.#switch = parts.network;
    this.#storeFiles = parts.storeFiles;
    this.#cleanup = cleanup;
  }

  /** All is there, and nothing runs. */
  static async create(): Promise<StoreLab> {
    await using cleanup = new AsyncDisposableStack();
    const directory = cleanup.use(await TemporaryDirectory.create("store")).path;
    const network = cleanup.use(await Namespace.create("switch"));
    await network.run("ip", "link", "add", "bridge", "type", "bridge");
    await network.run("ip", "link", "set", "bridge", "up");
    for (const gateway of [GATEWAY, SECOND_GATEWAY]) {
      await network.run("ip", "address", "add", `${gateway}/16`, "dev", "bridge");
    }
    await network.sysctl("net.ipv4.ip_forward", 1);
    const machine = async (label: string, address: string): Promise<Machine> => {
      const namespace = cleanup.use(await Namespace.create(label));
      await connect(namespace, network, {
        a: { name: "wan", addresses: [`${address}/16`] },
        b: { name: label },
      });
      await network.run("ip", "link", "set", label, "master", "bridge");
      return { namespace, port: label, child: null };
    };
    const servers: ServerMachine[] = [];
    const stores: Machine[] = [];
    const clients: Machine[] = [];
    for (const number of NUMBERS) {
      const own = join(directory, `server${number}`);
      await Deno.mkdir(own);
      const made = await machine(`server${number}`, serverAddress(number));
      await made.namespace.run("ip", "route", "add", "10.91.0.0/16", "via", GATEWAY);
      servers.push({ ...made, directory: own });
      stores.push(await machine(`store${number}`, storeAddress(number)));
    }
    for (let number = 1; number <= CLIENT_MACHINES; number++) {
      const made = await machine(`clients${number}`, `10.90.1.${number}`);
      await made.namespace.run("ip", "route", "add", "default", "via", GATEWAY);
      clients.push(made);
    }
    const [first] = clients;
    await connect(first!.namespace, network, {
      a: { name: "wan2", addresses: ["10.91.1.1/16"] },
      b: { name: "clients1b" },
    });
    await network.run("ip", "link", "set", "clients1b", "master", "bridge");
    await first!.namespace.run(
      ...["ip", "route", "add", "default", "via", SECOND_GATEWAY, "dev", "wan2", "metric", "200"],
    );
    const authority = cleanup.use(await TestAuthority.create());
    const names = NUMBERS.map((number) => `IP:${storeAddress(number)}`).join(",");
    const { certFile, keyFile } = await authority.issue("store", {
      extensions: [`extendedKeyUsage=serverAuth`, `subjectAltName=${names}`],
    });
    const credentials = join(directory, "store-credentials");
    await Deno.writeTextFile(credentials, `fluxify:${PASSWORD}\n`, { mode: 0o600 });
    const storeFiles = { certificate: certFile, key: keyFile, ca: authority.certFile, credentials };
    const lab = new StoreLab(
      { servers, clients, stores, network, directory, storeFiles },
      cleanup.move(),
    );
    await lab.#makeAuthority();
    return lab;
  }

  async startStores(): Promise<void> {
    for (const number of NUMBERS) await this.startStore(number);
  }

  async startStore(number: number): Promise<void> {
    const store = this.#stores[number - 1]!;
    const config = join(this.directory, `store${number}.conf`);
    await Deno.writeTextFile(config, this.#storeConfig(number), { mode: 0o600 });
    store.child = store.namespace.spawn([await natsServer(), "-c", config]);
    await store.child.waitForLine(/Server is ready/, START_TIMEOUT_MS);
  }

  async killStore(number: number): Promise<void> {
    await kill(this.#stores[number - 1]!);
  }

  /** Starts a server, and returns when it takes clients. */
  async startServer(number: number, ...args: string[]): Promise<Child> {
    const server = this.servers[number - 1]!;
    const { directory, namespace } = server;
    const { ca, credentials } = this.#storeFiles;
    server.child = namespace.spawn([
      ...program("server"),
      ...["-pki", join(directory, "pki"), "-network", "10.8.0.0/22", "-v"],
      ...["-store", `nats://${NUMBERS.map(storeAddress).join(",")}`],
      ...["-store-ca", ca, "-store-credentials", credentials],
      ...args,
    ], environment(server, "server"));
    await server.child.waitForLine(/fluxify-server is ready/, START_TIMEOUT_MS);
    return server.child;
  }

  async startServers(): Promise<void> {
    for (const number of NUMBERS) await this.startServer(number);
    await Promise.all(NUMBERS.map((number) => this.untilReached(number)));
  }

  /** Ends a server as its operator does. */
  async stopServer(number: number): Promise<void> {
    await this.servers[number - 1]!.child!.stop();
  }

  /** Starts a client of all servers, the first of them first, on one machine. */
  async startClient(bundle: string): Promise<ClientMachine> {
    const { namespace } = this.clients[0]!;
    const site = { directory: join(this.directory, "client") };
    await Deno.mkdir(site.directory);
    const child = namespace.spawn([
      ...program("client"),
      ...["-b", "-servers", NUMBERS.map(serverAddress).join(","), "-server-choice", "order"],
      ...["-ifaces", "wan,wan2", "-cert", bundle],
    ], environment(site, "client"));
    await child.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
    const status = async () => {
      const command = [...program("client"), "status", "--json"];
      const { stdout } = await namespace.runWith(environment(site, "client"), ...command);
      return JSON.parse(stdout).bond;
    };
    return { namespace, child, status };
  }

  async killServer(number: number): Promise<void> {
    await kill(this.servers[number - 1]!);
  }

  /** What `fluxify-server status` says. */
  async status(number: number): Promise<StatusOfStore> {
    return JSON.parse(await this.ask(number, "status", "--json"));
  }

  /** Runs a command of fluxify-server where a server runs, and returns what it says. */
  async ask(number: number, ...words: string[]): Promise<string> {
    const server = this.servers[number - 1]!;
    const { stdout } = await server.namespace.runWith(
      { ...environment(server, "server"), timeoutMs: START_TIMEOUT_MS },
      ...program("server"),
      ...words,
    );
    return stdout;
  }

  /** Revokes a client's certificate on one server. */
  async revoke(number: number, name: string): Promise<void> {
    const pki = join(this.servers[number - 1]!.directory, "pki");
    await this.ask(number, "cert", "revoke", name, "-pki", pki);
  }

  /** The bundle of a client that was there before the servers shared anything. */
  get laptop(): string {
    return join(this.servers[0]!.directory, "pki/clients/laptop.bundle");
  }

  /** Clients ask the servers at once, from several machines. What became of each, in no order. */
  async join(
    bundles: readonly string[],
    { servers = NUMBERS, seconds = JOIN_SECONDS }: {
      servers?: readonly number[];
      seconds?: number;
    } = {},
  ): Promise<Joined[]> {
    const program = new URL("joining_program.ts", import.meta.url).pathname;
    const command = [Deno.execPath(), "run", "-A", "--no-lock", program, String(seconds)];
    const outputs = await Promise.all(this.clients.map(async ({ namespace }, index) => {
      const own = bundles.filter((_, number) => number % this.clients.length === index);
      if (own.length === 0) return "";
      const options = { input: own.join("\n"), timeoutMs: (JOIN_SECONDS + 60) * 1000 };
      const addresses = servers.map(serverAddress);
      return (await namespace.runWith(options, ...command, ...addresses)).stdout;
    }));
    return outputs.join("").trim().split("\n").map((line) => JSON.parse(line));
  }

  /** A server reaches its clients, but not the store. */
  async cutFromStore(number: number): Promise<void> {
    for (const each of NUMBERS) await this.#routeToStore(number, "add", each);
  }

  async reconnectToStore(number: number): Promise<void> {
    for (const each of NUMBERS) await this.#routeToStore(number, "del", each);
  }

  async #routeToStore(number: number, change: "add" | "del", store: number): Promise<void> {
    const { namespace } = this.servers[number - 1]!;
    await namespace.run("ip", "route", change, "blackhole", `${storeAddress(store)}/32`);
  }

  /** Waits until a server reaches the store. */
  async untilReached(number: number): Promise<void> {
    await this.until(`server ${number} reaches the store`, async () => {
      return (await this.status(number)).store.isReachable;
    });
  }

  async until(
    what: string,
    state: () => Promise<boolean>,
    timeoutMs = STATE_TIMEOUT_MS,
  ): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!await state()) {
      if (performance.now() > endMs) throw new Error(`It never came to this: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async cutOff(machine: Pick<Machine, "port">): Promise<void> {
    await this.#switch.run("ip", "link", "set", machine.port, "down");
  }

  async reconnect(machine: Pick<Machine, "port">): Promise<void> {
    await this.#switch.run("ip", "link", "set", machine.port, "up");
  }

  store(number: number): Pick<Machine, "port"> {
    return this.#stores[number - 1]!;
  }

  /** What all servers have said. */
  get logs(): string {
    return this.servers.map(({ child }) => child?.tail(10_000) ?? "").join("\n");
  }

  /** Bundles of so many new clients, signed without files of their own beside the authority. */
  async newBundles(prefix: string, count: number): Promise<string[]> {
    const now = new Date();
    const tree = serverTree(join(this.servers[0]!.directory, "pki"));
    const authority = await loadAuthority(tree, now);
    const folder = join(this.directory, "bundles");
    await Deno.mkdir(folder, { recursive: true });
    const bundles: string[] = [];
    for (let number = 0; number < count; number++) {
      const name = `${prefix}${number}`;
      const { pem, spki } = generateKey();
      const path = join(folder, `${name}.bundle`);
      const certificate = await authority.issueClient(spki, name, now);
      await Deno.writeTextFile(path, authority.certPem + certificate + pem, { mode: 0o600 });
      bundles.push(path);
    }
    return bundles;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanup.disposeAsync();
  }

  /** One authority, whose folder each server has a copy of. */
  async #makeAuthority(): Promise<void> {
    const [first, ...others] = this.servers;
    const pki = join(first!.directory, "pki");
    const hosts = NUMBERS.map(serverAddress).join(",");
    await this.ask(1, "cert", "init", "-hosts", hosts, "-pki", pki);
    await this.ask(1, "cert", "new", "laptop", "-pki", pki);
    for (const { namespace, directory } of others) {
      await namespace.run("cp", "-a", pki, join(directory, "pki"));
    }
  }

  #storeConfig(number: number): string {
    const { certificate, key, ca } = this.#storeFiles;
    const routes = NUMBERS.map((each) => `nats://${storeAddress(each)}:6222`).join(", ");
    return `
server_name: store${number}
listen: "0.0.0.0:4222"
jetstream { store_dir: "${join(this.directory, `store${number}`)}" }
cluster { name: fluxify, listen: "0.0.0.0:6222", routes: [${routes}] }
tls { cert_file: "${certificate}", key_file: "${key}", ca_file: "${ca}" }
authorization { user: fluxify, password: "${PASSWORD}" }
`;
  }
}

interface ClientMachine {
  readonly namespace: Namespace;
  readonly child: Child;
  /** What `fluxify-client status` says of the bond. */
  readonly status: () => Promise<{ server: string; addresses: { ipv4: string } }>;
}

interface Parts {
  readonly servers: readonly ServerMachine[];
  readonly clients: readonly Machine[];
  readonly stores: readonly Machine[];
  readonly network: Namespace;
  readonly directory: string;
  readonly storeFiles: { certificate: string; key: string; ca: string; credentials: string };
}

/** What tests look at of the answer to `status`. */
interface StatusOfStore {
  readonly sessions: number;
  readonly isDraining: boolean;
  readonly store: {
    readonly isReachable: boolean;
    readonly problem: string | null;
    readonly pendingWrites: number;
    readonly servers: readonly { readonly isThis: boolean; readonly sessions: number }[];
  };
}

async function kill(machine: Machine): Promise<void> {
  machine.child?.signal("SIGKILL");
  await machine.child?.ended;
  machine.child = null;
}
