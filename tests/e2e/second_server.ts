/**
 * Further servers of the lab, of the same authority, each on a machine of its own, the first of them:
 *
 *     router  203.0.114.1, 2001:db8:114::1 --- second server  203.0.114.10, 2001:db8:114::10
 */
import { join } from "node:path";
import { INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import { environment, pkiDirectory, program } from "../../scripts/lab/programs.ts";
import { Emulator } from "../../scripts/emulator/emulator.ts";
import { type Child, connect, Namespace } from "../netns/namespace.ts";
import { configure } from "../netns/veth.ts";

export const SECOND_ADDRESS = "203.0.114.10";
export const SECOND_ADDRESS6 = "2001:db8:114::10";
const START_TIMEOUT_MS = 30_000;
const RATE_MBIT = 100;

interface ServerSite {
  /** Of its machine and its link. */
  readonly label: string;
  /** Third number of 203.0.N.0/24, and of 2001:db8:N::/64. */
  readonly network: number;
  /** Of the link to it; 0: a plain one. */
  readonly rttMs: number;
}

const SECOND: ServerSite = { label: "second", network: 114, rttMs: 0 };

export class SecondServer {
  readonly #lab: Lab;
  readonly #site: ServerSite;

  private constructor(lab: Lab, readonly machine: Namespace, site: ServerSite) {
    this.#lab = lab;
    this.#site = site;
  }

  get address(): string {
    return addressesOf(this.#site)[0];
  }

  /** Builds the machine; the authority of the lab must be there. */
  static async create(
    lab: Lab,
    cleanup: AsyncDisposableStack,
    site = SECOND,
  ): Promise<SecondServer> {
    const { label, network, rttMs } = site;
    const [address, address6] = addressesOf(site);
    const gateways = [`203.0.${network}.1`, `2001:db8:${network}::1`] as const;
    const machine = cleanup.use(await Namespace.create(label));
    const near = { name: label, addresses: [`${gateways[0]}/24`, `${gateways[1]}/64`] };
    const far = { name: "wan", addresses: [`${address}/24`, `${address6}/64`] };
    if (rttMs === 0) await connect(lab.router, machine, { a: near, b: far });
    else {
      const way = { rateMbit: RATE_MBIT, delayMs: rttMs / 2 };
      const emulator = cleanup.use(
        await Emulator.start({ seed: 1, links: [{ name: label, up: way, down: way }] }),
      );
      const ends = [{ namespace: lab.router, ...near }, { namespace: machine, ...far }] as const;
      await emulator.place(label, ...ends);
      for (const end of ends) await configure(end.namespace, end);
    }
    for (const gateway of gateways) {
      await machine.run("ip", "route", "add", "default", "via", gateway);
    }
    const { internet } = lab;
    await internet.run("ip", "route", "add", `${address}/32`, "via", "198.51.100.1");
    const gateway6 = INTERNET_ADDRESS6.replace(/10$/, "1");
    await internet.run("ip", "route", "add", `${address6}/128`, "via", gateway6);
    const second = new SecondServer(lab, machine, site);
    await Deno.mkdir(second.#pki, { recursive: true });
    for (const file of ["ca.pem", "ca-key.pem"]) {
      await Deno.copyFile(join(pkiDirectory(lab), file), join(second.#pki, file));
    }
    return second;
  }

  /** Starts fluxify-server and returns when it takes clients. */
  async start(...args: string[]): Promise<Child> {
    const { env, cwd } = environment(this.#lab, "server");
    const state = join(this.#lab.directory, this.#site.label);
    const child = this.machine.spawn([
      ...program("server"),
      ...["-pki", this.#pki, "-hosts", this.address, "-port", "8001", "-v", ...args],
    ], {
      cwd,
      env: { ...env, FLUXIFY_STATE_DIR: `${state}-state`, FLUXIFY_RUN_DIR: `${state}-run` },
    });
    await child.waitForLine(/fluxify-server is ready/, START_TIMEOUT_MS);
    return child;
  }

  get #pki(): string {
    return join(this.#lab.directory, `${this.#site.label}-pki`);
  }
}

function addressesOf({ network }: ServerSite): readonly [ipv4: string, ipv6: string] {
  return [`203.0.${network}.10`, `2001:db8:${network}::10`];
}
