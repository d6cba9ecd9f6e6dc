/** squid and tinyproxy as people run them: CONNECT to the control port alone, with a user and a password. */
import type { Child, Namespace } from "../netns/namespace.ts";
import { unpackProxies } from "./packages.ts";

export const PROXY_KINDS = ["squid", "tinyproxy"] as const;
export type ProxyKind = typeof PROXY_KINDS[number];

export const PROXY_USER = "mara";
/** tinyproxy takes no signs but letters and digits. */
export const PROXY_PASSWORDS: Readonly<Record<ProxyKind, string>> = {
  squid: "geheim%",
  tinyproxy: "geheim",
};
const START_TIMEOUT_MS = 20_000;

interface ProxyPlace {
  readonly address: string;
  readonly port: number;
  /** Of the server: the only one it connects to. */
  readonly controlPort: number;
  /** For its configuration; anybody may read there, as squid gives its rights up. */
  readonly directory: string;
}

/** Starts one and returns when it takes connections. */
export async function startProxy(
  machine: Namespace,
  kind: ProxyKind,
  place: ProxyPlace,
): Promise<Child> {
  const { directory } = place;
  await Deno.chmod(directory, 0o777);
  const unpacked = await unpackProxies();
  const mount = `mount -t overlay -o "lowerdir=${unpacked}/usr:/usr" overlay /usr`;
  const command = kind === "squid" ? await squid(machine, place) : await tinyproxy(place);
  const proxy = machine.spawn([
    "unshare",
    "--mount",
    "sh",
    "-ec",
    `${mount}; exec "$@"`,
    "sh",
    ...command,
  ]);
  await proxy.waitForLine(/Accepting HTTP Socket|Accepting connections/i, START_TIMEOUT_MS);
  return proxy;
}

async function squid(machine: Namespace, place: ProxyPlace): Promise<string[]> {
  const { address, port, controlPort, directory } = place;
  const { stdout } = await machine.runWith(
    { input: PROXY_PASSWORDS.squid },
    ...["openssl", "passwd", "-apr1", "-stdin"],
  );
  await Deno.writeTextFile(`${directory}/passwords`, `${PROXY_USER}:${stdout.trim()}\n`);
  const lines = [
    `http_port ${address}:${port}`,
    "pid_filename none",
    "cache deny all",
    `access_log stdio:${directory}/access.log`,
    `cache_log ${directory}/cache.log`,
    `coredump_dir ${directory}`,
    "visible_hostname proxy.example",
    "shutdown_lifetime 0 seconds",
    `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${directory}/passwords`,
    "auth_param basic children 1",
    "acl known proxy_auth REQUIRED",
    "acl tunnels method CONNECT",
    `acl control port ${controlPort}`,
    "http_access allow tunnels control known",
    "http_access deny all",
  ];
  await Deno.writeTextFile(`${directory}/squid.conf`, lines.join("\n") + "\n");
  return ["squid", "-N", "-d", "1", "-f", `${directory}/squid.conf`];
}

async function tinyproxy(place: ProxyPlace): Promise<string[]> {
  const { address, port, controlPort, directory } = place;
  const lines = [
    `Listen ${address}`,
    `Port ${port}`,
    "Timeout 600",
    "MaxClients 50",
    "LogLevel Info",
    "Allow 0.0.0.0/0",
    `ConnectPort ${controlPort}`,
    `BasicAuth ${PROXY_USER} ${PROXY_PASSWORDS.tinyproxy}`,
  ];
  await Deno.writeTextFile(`${directory}/tinyproxy.conf`, lines.join("\n") + "\n");
  return ["tinyproxy", "-d", "-c", `${directory}/tinyproxy.conf`];
}
