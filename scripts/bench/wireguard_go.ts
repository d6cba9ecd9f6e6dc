/** wireguard-go, WireGuard in user space, as a subject: one path, ChaCha20-Poly1305, as it comes. */

import { registerCleanup } from "../../tests/netns/namespace.ts";
import type { Child, Namespace } from "../../tests/netns/namespace.ts";
import type { Tunnel } from "./subject.ts";
import {
  CLIENT_TUNNEL_ADDRESS,
  SERVER_ADDRESS,
  SERVER_TUNNEL_ADDRESS,
  type Testbed,
} from "./testbed.ts";

const PORT = "51820";
const START_TIMEOUT_MS = 10_000;

interface End {
  namespace: Namespace;
  device: string;
  address: string;
  privateKey: string;
  publicKey: string;
}

/** `program`: path or name of wireguard-go. */
export async function startWireguardGo(
  testbed: Testbed,
  cleanup: AsyncDisposableStack,
  program: string,
): Promise<Tunnel> {
  const { client, server } = testbed;
  const ends = {
    server: await newEnd(server, "s", SERVER_TUNNEL_ADDRESS),
    client: await newEnd(client, "c", CLIENT_TUNNEL_ADDRESS),
  };
  const processes: Child[] = [];
  for (const end of [ends.server, ends.client]) {
    processes.push(await startProgram(end, cleanup, program));
  }
  await setUp(ends.server, ends.client, ["listen-port", PORT], []);
  await setUp(ends.client, ends.server, [], ["endpoint", `${SERVER_ADDRESS}:${PORT}`]);
  await client.run("ping", "-c1", "-i0.2", "-w10", SERVER_TUNNEL_ADDRESS);
  const { stdout } = await client.run(program, "--version");
  return {
    address: SERVER_TUNNEL_ADDRESS,
    pids: processes.map(({ pid }) => pid),
    description: stdout.split("\n")[0] ?? "",
  };
}

async function newEnd(namespace: Namespace, letter: string, address: string): Promise<End> {
  const privateKey = (await namespace.run("wg", "genkey")).stdout.trim();
  const publicKey = (await namespace.runWith({ input: privateKey }, "wg", "pubkey")).stdout.trim();
  // Its control socket is named after the device, in a folder all namespaces share.
  const device = `fxwg${Deno.pid}${letter}`;
  return { namespace, device, address, privateKey, publicKey };
}

async function startProgram(
  { namespace, device }: End,
  cleanup: AsyncDisposableStack,
  program: string,
): Promise<Child> {
  cleanup.use(registerCleanup(() => removeSocket(device)));
  cleanup.defer(() => removeSocket(device));
  const child = namespace.spawn([program, "-f", device], { env: { LOG_LEVEL: "verbose" } });
  await child.waitForLine(/UAPI listener started/, START_TIMEOUT_MS);
  return child;
}

async function setUp(
  { namespace, device, address, privateKey }: End,
  peer: End,
  ownSettings: string[],
  peerSettings: string[],
): Promise<void> {
  await namespace.runWith(
    { input: privateKey },
    ...["wg", "set", device, ...ownSettings, "private-key", "/dev/stdin"],
    ...["peer", peer.publicKey, "allowed-ips", `${peer.address}/32`, ...peerSettings],
  );
  await namespace.run("ip", "address", "add", `${address}/24`, "dev", device);
  await namespace.run("ip", "link", "set", device, "up");
}

function removeSocket(device: string): void {
  try {
    Deno.removeSync(`/var/run/wireguard/${device}.sock`);
  } catch {
    // wireguard-go took it away itself.
  }
}
