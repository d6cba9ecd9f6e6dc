/** Starts the subjects, each in a testbed of its own. */

import { startFluxify } from "./fluxify.ts";
import { startOpenVpn } from "./openvpn.ts";
import type { Subject, SubjectName, TunnelStarter } from "./subject.ts";
import { LINK_ADDRESS, Testbed } from "./testbed.ts";
import { startWireguardGo } from "./wireguard_go.ts";

interface Kind {
  /** Programs it needs, and the Debian packages they come in. */
  programs: Record<string, string>;
  start: TunnelStarter;
}

function kinds(wireguardGo: string): Record<SubjectName, Kind> {
  return {
    fluxify: { programs: {}, start: startFluxify },
    raw: {
      programs: {},
      start: () =>
        Promise.resolve({ address: LINK_ADDRESS, pids: [], description: "no tunnel, veth link" }),
    },
    openvpn: { programs: { openvpn: "openvpn", openssl: "openssl" }, start: startOpenVpn },
    wireguardGo: {
      programs: { [wireguardGo]: "wireguard-go", wg: "wireguard-tools" },
      start: (testbed, cleanup) => startWireguardGo(testbed, cleanup, wireguardGo),
    },
  };
}

interface StartOptions {
  /** Path or name of wireguard-go. */
  wireguardGo: string;
  progress: (text: string) => void;
}

/** Starts those that can be started here, says why of the others. */
export async function startSubjects(
  names: readonly SubjectName[],
  cleanup: AsyncDisposableStack,
  { wireguardGo, progress }: StartOptions,
): Promise<Subject[]> {
  const all = kinds(wireguardGo);
  const started = await Promise.all(names.map(async (name) => {
    try {
      return await startSubject(name, all[name], cleanup);
    } catch (error) {
      progress(`${name} is left out: ${(error as Error).message}`);
      return null;
    }
  }));
  return started.filter((subject) => subject !== null);
}

async function startSubject(
  name: SubjectName,
  { programs, start }: Kind,
  cleanup: AsyncDisposableStack,
): Promise<Subject> {
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!await isInstalled(program)) {
      throw new Error(`${program} is missing; install it: apt-get install ${debianPackage}`);
    }
  }
  // Gone at once when the start fails, else with everything.
  await using own = new AsyncDisposableStack();
  const testbed = own.use(await Testbed.create(name));
  const tunnel = await start(testbed, own);
  cleanup.use(own.move());
  return { name, testbed, ...tunnel };
}

/** Whether a program of that name or path can be run. */
async function isInstalled(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("which", {
    args: [program],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}
