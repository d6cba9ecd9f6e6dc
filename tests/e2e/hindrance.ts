/** Ways to start a program where it cannot work: without root, without a TUN device, a port taken. */

import type { Lab } from "../../scripts/lab/lab.ts";
import { environment, program } from "../../scripts/lab/programs.ts";
import type { Child, Namespace } from "../netns/namespace.ts";
import { type Ending, ending, SERVER_ADDRESS } from "./small_lab.ts";

const PORT_HOLDER = `
  const [protocol, port] = Deno.args;
  const options = { hostname: "0.0.0.0", port: Number(port) };
  const held = protocol === "tcp" ? Deno.listen(options) : Deno.listenDatagram({ ...options, transport: "udp" });
  console.log("held");
  setTimeout(() => held.close(), 120_000);
`;

/**
 * As uid 65534. The capability opens this checkout and the Deno binary wherever they are; of its
 * cache, Deno asks what the user may do without it, hence a place that all may enter.
 */
export function asNobody(lab: Lab, machine: Namespace, name: "server" | "client"): Child {
  const capability = "+dac_override";
  const script = `mount --bind "$DENO_DIR" /mnt && export DENO_DIR=/mnt && exec setpriv \
    --reuid=65534 --regid=65534 --clear-groups \
    --inh-caps=${capability} --ambient-caps=${capability} "$@"`;
  return machine.spawn([
    ...["unshare", "-m", "sh", "-c", script, "sh"],
    ...program(name),
    ...(name === "client" ? ["-b", "-server", SERVER_ADDRESS, "-pki", "/nonexistent"] : []),
  ], environment(lab, name, { DENO_DIR: denoCache() }));
}

function denoCache(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Runs `command` where /dev/net is an empty folder. */
export function withoutTun(
  lab: Lab,
  machine: Namespace,
  name: "server" | "client",
  command: string[],
): Promise<Ending> {
  const script = 'mount -t tmpfs none /dev/net && exec "$@"';
  const argv = ["unshare", "-m", "sh", "-c", script, "sh", ...command];
  return ending(machine.spawn(argv, environment(lab, name)));
}

/** Another program with that port open, until it is disposed of. */
export async function holdPort(
  machine: Namespace,
  protocol: "tcp" | "udp",
  port: number,
): Promise<AsyncDisposable> {
  const child = machine.spawn(
    [...[Deno.execPath(), "eval", "--unstable-net", PORT_HOLDER, "--"], protocol, String(port)],
  );
  await child.waitForLine(/^held$/, 15_000);
  return {
    async [Symbol.asyncDispose]() {
      await child.stop("SIGKILL");
    },
  };
}
