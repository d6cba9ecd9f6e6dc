/** The v1 peer's programs as a test drives them, in a namespace of the lab. */
import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { type ForeignTree, makeForeignTree } from "../../testing/pki/openssl.ts";
import { type Child, Namespace } from "../netns/namespace.ts";
import type { Asked } from "./control.ts";
import type { Ask, Report } from "./endpoint.ts";
import type { Command } from "./main.ts";

const PROGRAM = [
  ...[Deno.execPath(), "run", "-A", "--no-lock"],
  new URL("main.ts", import.meta.url).pathname,
];
const TIMEOUT_MS = 20_000;

/** What a client knows when the server has answered on each link. */
interface Ready {
  ipv4: string;
  ipv6: string;
  /** Where its links' datagrams come from, as "address:port". */
  sources: string[];
}

export class PeerProcess {
  private constructor(readonly child: Child, readonly ready: Ready) {}

  static async start(machine: Namespace, ...args: string[]): Promise<PeerProcess> {
    const child = machine.spawn([...PROGRAM, ...args], { stdin: "piped" });
    const [line] = await child.waitForLine(/^\{"ready".*\}$/, TIMEOUT_MS);
    return new PeerProcess(child, JSON.parse(line));
  }

  /** The answers that came. */
  async ask(ask: Ask): Promise<number> {
    return (await this.#do<{ count: number }>({ do: "ask", ...ask })).count;
  }

  async askAll(asks: readonly Ask[]): Promise<void> {
    for (const ask of asks) {
      equal(await this.ask(ask), ask.count, `answers to ${JSON.stringify(ask)}`);
    }
  }

  async hostile(what: "replay" | "corrupt" | "bomb"): Promise<number> {
    return (await this.#do<{ count: number }>({ do: what })).count;
  }

  async walk(to: number, address: string): Promise<void> {
    await this.#do({ do: "walk", to, address });
  }

  async jam(): Promise<void> {
    await this.#do({ do: "jam" });
  }

  async use(...links: number[]): Promise<void> {
    await this.#do({ do: "use", links });
  }

  clientReport(): Promise<Report & { strayReceived: number }> {
    return this.#do({ do: "report" });
  }

  serverReport(): Promise<
    & Report
    & { asked: Asked[]; unknownSession: number; heartbeats: Record<string, number> }
  > {
    return this.#do({ do: "report" });
  }

  /** Of the echo service: how many datagrams came. */
  async echoed(): Promise<number> {
    return (await this.#do<{ count: number }>({ do: "report" })).count;
  }

  async stop(): Promise<void> {
    await this.child.stop("SIGKILL");
  }

  async #do<T>(command: Command): Promise<T> {
    const from = this.child.lineCount;
    await this.child.write(JSON.stringify(command) + "\n");
    const [line] = await this.child.waitForLine(/^\{"did".*\}$/, TIMEOUT_MS, from);
    return JSON.parse(line);
  }
}

/** Fails when the peer has seen anything the document does not allow. */
export function assertNoViolations(report: Report): void {
  deepEqual(report.samples, []);
  equal(report.violations, 0);
}

/** Certificates as an old installation has them, in the place where the lab's server looks. */
export function makeOldTree(lab: Lab): Promise<ForeignTree> {
  const directory = join(lab.directory, "pki");
  return Deno.mkdir(directory).then(() =>
    makeForeignTree(directory, { kind: "EC P-256", subjectAltName: `IP:${SERVER_ADDRESS}` })
  );
}

/** Starts a v1 client on both links of the small lab, as a machine with a table for each of them. */
export async function startV1Client(
  lab: Lab,
  name: string,
  ...args: string[]
): Promise<PeerProcess> {
  const addresses = lab.links.map((link) => lab.clientAddress(link.name));
  return await PeerProcess.start(
    lab.client,
    ...["client", "--pki", join(lab.directory, "pki"), "--name", name],
    ...["--server", SERVER_ADDRESS, "--links", addresses.join(","), ...args],
  );
}

/** What leaves with a link's address leaves by that link. */
export async function routeBySource(lab: Lab): Promise<void> {
  for (const [index, { name }] of lab.links.entries()) {
    const table = String(100 + index);
    const gateway = `10.71.${index + 1}.1`;
    await lab.client.run("ip", "route", "add", "default", "via", gateway, "table", table);
    await lab.client.run("ip", "rule", "add", "from", lab.clientAddress(name), "table", table);
  }
}
