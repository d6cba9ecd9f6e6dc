/**
 * Where the load is made: a server and one machine for all its clients, with a cable for each link.
 *
 *     clients                                server
 *       one   10.81.1.2/24 ------------ 10.81.1.1/24
 *       two   10.81.2.2/24 ------------ 10.81.2.1/24
 *
 * Each of the two has a processor of its own, as far as there are several.
 */
import { join } from "node:path";
import { loadAuthority, serverTree } from "../../lib/pki/server_tree.ts";
import { openServerPki } from "../../lib/pki/server_pki.ts";
import { generateKey } from "../../lib/pki/private_key.ts";
import { type Child, connect, Namespace } from "../../tests/netns/namespace.ts";
import { program } from "../lab/programs.ts";
import { TemporaryDirectory } from "../lab/temporary_directory.ts";
import type { FleetCredentials, FleetNotice, FleetTask } from "./fleet_program.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const LINKS = ["one", "two"].map((device, index) => ({
  device,
  client: `10.81.${index + 1}.2`,
  server: `10.81.${index + 1}.1`,
}));
const CONTROL_PORT = 8443;
const DATA_PORT = 8000;
const START_TIMEOUT_MS = 30_000;
/** Addresses of clients, and the last number of the first. */
const SOURCES = 32;
const SOURCES_FIRST = 100;
/** Certificates that were revoked before, unless told: for the server to look through. */
const REVOKED = 100;

type FleetWork<Task = FleetTask> = Task extends FleetTask
  ? Omit<Task, "links" | "controlPort" | "dataPort" | "serverAddress" | "caPem" | "credentials">
  : never;

export class Site implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #server: Namespace;
  readonly #clients: Namespace;
  readonly #directory: string;
  readonly #caPem: string;
  readonly #credentials: FleetCredentials[] = [];
  /** Processors for the server, for taskset(1). */
  readonly #serverCores: string;
  readonly #clientCores: string;

  private constructor(
    stack: AsyncDisposableStack,
    server: Namespace,
    clients: Namespace,
    directory: string,
    caPem: string,
    serverCores: number,
  ) {
    this.#stack = stack;
    this.#server = server;
    this.#clients = clients;
    this.#directory = directory;
    this.#caPem = caPem;
    const cores = navigator.hardwareConcurrency;
    const last = Math.min(serverCores, Math.max(1, cores - 1)) - 1;
    this.#serverCores = `0-${last}`;
    this.#clientCores = cores > 1 ? `${last + 1}-${cores - 1}` : "0";
  }

  /** @param serverCores how many processors the server may use. */
  static async create(serverCores: number, { revoked = REVOKED } = {}): Promise<Site> {
    await using stack = new AsyncDisposableStack();
    const { path: directory } = stack.use(await TemporaryDirectory.create("load"));
    const server = stack.use(await Namespace.create("load-server"));
    const clients = stack.use(await Namespace.create("load-clients"));
    for (const { device, client, server: address } of LINKS) {
      await connect(clients, server, {
        a: { name: device, addresses: [`${client}/24`] },
        b: { name: device, addresses: [`${address}/24`] },
      });
    }
    await useManySources(clients);
    const pki = await openServerPki(join(directory, "pki"), {
      hosts: LINKS.map(({ server }) => server),
      regenerate: false,
      now: new Date(),
    });
    for (let number = 0; number < revoked; number++) {
      await pki.issueClient(`gone${number}`, new Date());
      await pki.revokeClient(`gone${number}`, new Date());
    }
    return new Site(stack.move(), server, clients, directory, pki.caPem, serverCores);
  }

  /** Starts a server, which is ready when this returns. Its own arguments follow. */
  async startServer(args: readonly string[] = []): Promise<Child> {
    const child = this.#server.spawn([
      ...["taskset", "-c", this.#serverCores],
      ...program("server"),
      ...["-pki", join(this.#directory, "pki")],
      ...["-ctrl", String(CONTROL_PORT), "-port", String(DATA_PORT)],
      ...["-network", "10.88.0.0/16"],
      ...args,
    ], {
      cwd: ROOT,
      env: {
        FLUXIFY_STATE_DIR: join(this.#directory, "state"),
        FLUXIFY_RUN_DIR: join(this.#directory, "run"),
        DENO_NO_UPDATE_CHECK: "1",
      },
    });
    await child.waitForLine(/fluxify-server is ready/, START_TIMEOUT_MS);
    return child;
  }

  /** Has the clients do something, and hands on what they tell. @throws Error when they fail. */
  async runFleet(
    work: FleetWork,
    clients: number,
    timeoutMs: number,
    onNotice: (notice: FleetNotice) => void,
  ): Promise<void> {
    const task = {
      ...work,
      links: LINKS.map(({ device, server }) => ({ device, server })),
      controlPort: CONTROL_PORT,
      dataPort: DATA_PORT,
      serverAddress: "10.88.0.1",
      caPem: this.#caPem,
      credentials: await this.#credentialsFor(clients),
    };
    await this.#clients.runWith(
      {
        cwd: ROOT,
        env: { DENO_NO_UPDATE_CHECK: "1" },
        input: JSON.stringify(task),
        timeoutMs,
        onLine: (line, stream) => {
          if (stream === "stdout") onNotice(JSON.parse(line) as FleetNotice);
          else console.error(`  clients: ${line}`);
        },
      },
      ...["taskset", "-c", this.#clientCores],
      ...[Deno.execPath(), "run", "-A", "--no-check", "scripts/load/fleet_program.ts"],
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  /** Certificates that the server's authority has signed, without files of their own. */
  async #credentialsFor(count: number): Promise<readonly FleetCredentials[]> {
    const now = new Date();
    const authority = await loadAuthority(serverTree(join(this.#directory, "pki")), now);
    while (this.#credentials.length < count) {
      const { pem: keyPem, spki } = generateKey();
      const name = `client${this.#credentials.length}`;
      const certPem = await authority.issueClient(spki, name, now);
      this.#credentials.push({ certPem, keyPem });
    }
    return this.#credentials.slice(0, count);
  }
}

/**
 * Connections to the control port leave from one address after the other, as those of many clients do:
 * a server holds it against an address when too many handshakes of its are under way.
 */
async function useManySources(clients: Namespace): Promise<void> {
  const { device, client } = LINKS[0]!;
  for (let number = 0; number < SOURCES; number++) {
    const source = client.replace(/\d+$/, String(SOURCES_FIRST + number));
    await clients.run("ip", "address", "add", `${source}/24`, "dev", device);
    const every = SOURCES - number;
    const share = every === 1
      ? []
      : ["-m", "statistic", "--mode", "nth", "--every", String(every), "--packet", "0"];
    await clients.run(
      ...["iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-p", "tcp", "-o", device],
      ...["--dport", String(CONTROL_PORT), ...share, "-j", "SNAT", "--to-source", source],
    );
  }
}
