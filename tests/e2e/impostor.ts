/**
 * Somebody on the way who answers the server's control port with a certificate of his own: an
 * impostor, or the login page of a hotspot. The router of the lab sends him what comes in on a link.
 */
import type { Lab } from "../../scripts/lab/lab.ts";
import { TestAuthority } from "../support/test_certificates.ts";

const PORT = "9443";
const START_TIMEOUT_MS = 10_000;
const TABLES = ["iptables", "ip6tables"] as const;

export class Impostor implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #authority: TestAuthority;

  private constructor(lab: Lab, authority: TestAuthority) {
    this.#lab = lab;
    this.#authority = authority;
  }

  static async start(lab: Lab): Promise<Impostor> {
    const authority = await TestAuthority.create();
    const { certFile, keyFile } = await authority.issueServer("portal");
    for (const family of ["-4", "-6"]) {
      const server = lab.router.spawn(
        ["openssl", "s_server", family, "-accept", PORT, "-cert", certFile, "-key", keyFile],
        { stdin: "piped" },
      );
      await server.waitForLine(/^ACCEPT/, START_TIMEOUT_MS);
    }
    return new Impostor(lab, authority);
  }

  /** From now on, who asks the server over this link meets the impostor. */
  async takeOver(link: string): Promise<void> {
    await this.#redirect("-A", link);
  }

  async letGo(link: string): Promise<void> {
    await this.#redirect("-D", link);
  }

  async #redirect(verb: "-A" | "-D", link: string): Promise<void> {
    for (const tables of TABLES) {
      await this.#lab.router.run(
        ...[tables, "-w", "-t", "nat", verb, "PREROUTING", "-i", link],
        ...["-p", "tcp", "--dport", "8443", "-j", "REDIRECT", "--to-port", PORT],
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#authority[Symbol.asyncDispose]();
  }
}
