/**
 * Keeps in force what the file of port forwardings says, with the addresses that the clients have
 * now: `fluxify-server forward` changes the file while the server runs, and clients come and go.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { ForwardedPort } from "../../lib/host/firewall/port_forwards.ts";
import { type AddressFamily, FAMILIES, familyOf } from "../../lib/host/links/address.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { type FileIdentity, fileIdentity, isSameFile } from "../../lib/pki/file_identity.ts";
import type { InnerAddresses } from "../../lib/protocol/wire/tunnel_network.ts";
import { forwardFile, readForwards } from "./forward_file.ts";
import { forwardLabel, type PortForward } from "./port_forward.ts";

interface KeeperOptions {
  /** The folder of the certificates. */
  readonly directory: string;
  /** Those the client has or will get again; null: it was never connected. */
  readonly addressesOf: (client: string) => InnerAddresses | null;
  /** As `tcp 8443`: where the server itself is reached. */
  readonly ownPorts: ReadonlySet<string>;
  readonly rules: { set(ports: readonly ForwardedPort[]): Promise<string[]> };
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** Of the forwardings in the file. */
export interface ForwardCount {
  readonly listed: number;
  readonly inForce: number;
}

export class ForwardKeeper {
  readonly #options: KeeperOptions;
  readonly #queue = new SerialQueue();
  /** Looks at the file and at the clients' addresses; to be called regularly. Never rejects. */
  readonly look = this.#queue.shared(() => this.#look());
  #identity: FileIdentity | null = null;
  #listed: readonly PortForward[] = [];
  /** What the rules say, in a form to compare. */
  #inForce = "[]";
  #count: ForwardCount = { listed: 0, inForce: 0 };
  #problem: string | null = null;
  /** Said once each, as long as it is so. */
  #waiting: ReadonlySet<string> = new Set();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  get count(): ForwardCount {
    return this.#count;
  }

  /** Resolves when no look is under way. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async #look(): Promise<void> {
    try {
      await this.#read();
      await this.#apply();
      this.#problem = null;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) {
        this.#options.warn(`${problem}; until then the forwardings in force stay`);
      }
      this.#problem = problem;
    }
  }

  async #read(): Promise<void> {
    const { directory } = this.#options;
    const identity = fileIdentity(forwardFile(directory));
    if (isSameFile(identity, this.#identity)) return;
    this.#listed = await readForwards(directory);
    // Taken before reading: a change in between is found the next time.
    this.#identity = identity;
  }

  async #apply(): Promise<void> {
    const { addressesOf, ownPorts, rules, say, warn } = this.#options;
    const ports: ForwardedPort[] = [];
    const waiting = new Set<string>();
    let inForce = 0;
    for (const forward of this.#listed) {
      const reason = ownPorts.has(forwardLabel(forward))
        ? "is a port of this server itself and goes to no client"
        : addressesOf(forward.client) === null
        ? `waits for ${forward.client} to connect for the first time`
        : null;
      if (reason === null) {
        ports.push(...portsOf(forward, addressesOf(forward.client)!));
        inForce++;
        continue;
      }
      const line = `port forward ${forwardLabel(forward)} ${reason}`;
      if (!this.#waiting.has(line)) warn(line);
      waiting.add(line);
    }
    this.#waiting = waiting;
    this.#count = { listed: this.#listed.length, inForce };
    const wanted = JSON.stringify(ports);
    if (wanted === this.#inForce) return;
    const before = this.#inForce;
    this.#inForce = ""; // what is in force when this fails is not known
    for (const notice of await rules.set(ports)) warn(notice);
    this.#inForce = wanted;
    if (before !== wanted) say(`port forwards in force: ${inForce} of ${this.#listed.length}`);
  }
}

/** For each family that the forwarding is for. */
function portsOf(forward: PortForward, addresses: InnerAddresses): ForwardedPort[] {
  const { protocol, port, clientPort: toPort, from } = forward;
  const family: AddressFamily | null = from === null ? null : familyOf(from.split("/")[0]!);
  return FAMILIES.filter((each) => family === null || each === family).map((each) => ({
    ...{ protocol, port, toPort, from },
    toAddress: each === 4 ? addresses.ipv4 : addresses.ipv6,
  }));
}
