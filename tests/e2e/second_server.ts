/**
 * A second server of the lab, of the same authority, on a machine of its own:
 *
 *     router  203.0.114.1, 2001:db8:114::1 --- second server  203.0.114.10, 2001:db8:114::10
 */
import { join } from "node:path";
import { INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import { environment, pkiDirectory, program } from "../../scripts/lab/programs.ts";
import { type Child, connect, Namespace } from "../netns/namespace.ts";

export const SECOND_ADDRESS = "203.0.114.10";
export const SECOND_ADDRESS6 = "2001:db8:114::10";
const START_TIMEOUT_MS = 30_000;

export class SecondServer {
  readonly #lab: Lab;

  private constructor(lab: Lab, readonly machine: Namespace) {
    this.#lab = lab;
  }

  /** Builds the machine; the authority of the lab must be there. */
  static async create(lab: Lab, cleanup: AsyncDisposableStack): Promise<SecondServer> {
    const machine = cleanup.use(await Namespace.create("second"));
    await connect(lab.router, machine, {
      a: { name: "second", addresses: ["203.0.114.1/24", "2001:db8:114::1/64"] },
      b: { name: "wan", addresses: [`${SECOND_ADDRESS}/24`, `${SECOND_ADDRESS6}/64`] },
    });
    await machine.run("ip", "route", "add", "default", "via", "203.0.114.1");
    await machine.run("ip", "route", "add", "default", "via", "2001:db8:114::1");
    const { internet } = lab;
    await internet.run("ip", "route", "add", `${SECOND_ADDRESS}/32`, "via", "198.51.100.1");
    const gateway6 = INTERNET_ADDRESS6.replace(/10$/, "1");
    await internet.run("ip", "route", "add", `${SECOND_ADDRESS6}/128`, "via", gateway6);
    const second = new SecondServer(lab, machine);
    await Deno.mkdir(second.#pki, { recursive: true });
    for (const file of ["ca.pem", "ca-key.pem"]) {
      await Deno.copyFile(join(pkiDirectory(lab), file), join(second.#pki, file));
    }
    return second;
  }

  /** Starts fluxify-server and returns when it takes clients. */
  async start(...args: string[]): Promise<Child> {
    const { env, cwd } = environment(this.#lab, "server");
    const state = join(this.#lab.directory, "second");
    const child = this.machine.spawn([
      ...program("server"),
      ...["-pki", this.#pki, "-hosts", SECOND_ADDRESS, "-port", "8001", "-v", ...args],
    ], {
      cwd,
      env: { ...env, FLUXIFY_STATE_DIR: `${state}-state`, FLUXIFY_RUN_DIR: `${state}-run` },
    });
    await child.waitForLine(/fluxify-server is ready/, START_TIMEOUT_MS);
    return child;
  }

  get #pki(): string {
    return join(this.#lab.directory, "second-pki");
  }
}
