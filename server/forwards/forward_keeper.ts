/**
 * Keeps in force what the file of port forwardings says, with the addresses that the clients have
 * now: `fluxify-server forward` changes the file while the server runs, and clients come and go.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import type { ForwardedPort, PortForwards } from "../../lib/host/firewall/port_forwards.ts";
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
  /** As PortForwards. */
  readonly rules: Pick<PortForwards, "set">;
  /** performance.now() */
  readonly nowMs: () => number;
  readonly say: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** After the firewall has refused. */
const RETRY_AFTER_MS = 30_000;

/** Of the forwardings in the file. `inForce`: for all the families they are for. */
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
  /** What the rules were told last, in a form to compare. */
  #told = "[]";
  /** When rules that were refused are tried again. */
  #retryAtMs = Infinity;
  /** What the rules refuse. Said once each, as long as it is so. */
  #refused: ReadonlySet<string> = new Set();
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
        this.#options.warn(`cannot follow the port forwards: ${problem}`);
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
    const { addressesOf, ownPorts, warn } = this.#options;
    const reached: { forward: PortForward; ports: ForwardedPort[] }[] = [];
    const waiting = new Set<string>();
    for (const forward of this.#listed) {
      const addresses = addressesOf(forward.client);
      if (addresses !== null && !ownPorts.has(forwardLabel(forward))) {
        reached.push({ forward, ports: portsOf(forward, addresses) });
        continue;
      }
      const reason = addresses === null
        ? `waits for ${forward.client} to connect for the first time`
        : "is a port of this server itself and goes to no client";
      const line = `port forward ${forwardLabel(forward)} ${reason}`;
      if (!this.#waiting.has(line)) warn(line);
      waiting.add(line);
    }
    this.#waiting = waiting;
    await this.#put(reached.map(({ ports }) => ports));
  }

  /** `forwards`: the ports of each that can be in force. */
  async #put(forwards: readonly (readonly ForwardedPort[])[]): Promise<void> {
    const { rules, say, warn, nowMs } = this.#options;
    const ports = forwards.flat();
    const wanted = JSON.stringify(ports);
    const listed = this.#listed.length;
    if (wanted === this.#told && nowMs() < this.#retryAtMs) {
      this.#count = { listed, inForce: this.#count.inForce };
      return;
    }
    const isChange = wanted !== this.#told;
    this.#told = ""; // what is in force when this fails is not known
    const refused = await rules.set(ports);
    this.#told = wanted;
    this.#retryAtMs = refused.length > 0 ? nowMs() + RETRY_AFTER_MS : Infinity;
    for (const { notice } of refused) if (!this.#refused.has(notice)) warn(notice);
    const before = this.#count.inForce;
    this.#refused = new Set(refused.map(({ notice }) => notice));
    const families = refused.map(({ family }) => family);
    const inForce =
      forwards.filter((own) => !own.some(({ toAddress }) => families.includes(familyOf(toAddress))))
        .length;
    this.#count = { listed, inForce };
    if (isChange || inForce !== before) say(`port forwards in force: ${inForce} of ${listed}`);
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
