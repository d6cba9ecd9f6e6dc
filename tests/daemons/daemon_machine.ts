/**
 * A machine whose daemons are real: a network namespace with an /etc, a /run and a /var/lib of its own,
 * and the daemons of packages.ts. All its commands share them, as those of a machine do; nothing of
 * it is seen by the machine the tests run on.
 */
import { environment, program } from "../../scripts/lab/programs.ts";
import type { Child, Namespace, Output } from "../netns/namespace.ts";
import { unpackDaemons } from "./packages.ts";

const START_TIMEOUT_MS = 15_000;
const POLL_MS = 50;
const ROOT = new URL("../../", import.meta.url).pathname;

/** The first process of the machine: its mounts are the machine's. Needs $unpacked. */
const HOLD = `
mount -t overlay -o "lowerdir=$unpacked/usr:/usr" overlay /usr
mount -t tmpfs tmpfs /run
mkdir -p /run/etc /run/work /run/dbus
mount -t overlay -o "lowerdir=$unpacked/etc:/etc,upperdir=/run/etc,workdir=/run/work" overlay /etc
rm -f /etc/resolv.conf
: > /etc/resolv.conf
sed -i 's/^hosts:.*/hosts: files dns/' /etc/nsswitch.conf
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/dhcp /var/lib/dhcpcd /var/lib/misc
echo the machine is up
exec sleep infinity`;

/** Enters the mounts of process $1, and there the folder $2. */
const ENTER = `mounts=/proc/$1/ns/mnt
shift
exec nsenter --mount="$mounts" sh -c 'cd "$1"; shift; exec "$@"' sh "$@"`;

/** A message bus for which all programs of the machine are trustworthy: they are the tests'. */
const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
</busconfig>
`;

export class DaemonMachine {
  readonly #namespace: Namespace;
  readonly #directory: string;
  readonly #holder: Child;

  private constructor(namespace: Namespace, directory: string, holder: Child) {
    this.#namespace = namespace;
    this.#directory = directory;
    this.#holder = holder;
  }

  /** On `namespace`, whose end is the machine's; `directory` is for the state of our programs. */
  static async create(namespace: Namespace, directory: string): Promise<DaemonMachine> {
    const unpacked = await unpackDaemons();
    // A network namespace entered by `ip netns exec` has mounts of its own, which end with the holder.
    const holder = namespace.spawn(["sh", "-ec", HOLD], { env: { unpacked } });
    await holder.waitForLine(/^the machine is up$/, START_TIMEOUT_MS);
    return new DaemonMachine(namespace, directory, holder);
  }

  /** The path by which the tests see a file of the machine. */
  path(name: string): string {
    return `/proc/${this.#holder.pid}/root${name}`;
  }

  /** Throws Deno.errors.NotFound. */
  read(name: string): Promise<string> {
    return Deno.readTextFile(this.path(name));
  }

  write(name: string, content: string): Promise<void> {
    return Deno.writeTextFile(this.path(name), content);
  }

  /** Runs a command to its end; throws when it fails. */
  run(...argv: string[]): Promise<Output> {
    return this.#namespace.runWith(this.#environment(), ...this.#command(argv));
  }

  /** Starts a command that runs on. */
  spawn(...argv: string[]): Child {
    return this.#namespace.spawn(this.#command(argv), this.#environment());
  }

  spawnClient(...args: string[]): Child {
    return this.spawn(...program("client"), ...args);
  }

  restore(): Promise<Output> {
    return this.run(...program("client"), "restore");
  }

  /** What /etc/resolv.conf is: a link and where to, rights, content. */
  async resolvConf(): Promise<string> {
    const { isSymlink, mode } = await Deno.lstat(this.path("/etc/resolv.conf"));
    if (isSymlink) return `link to ${await Deno.readLink(this.path("/etc/resolv.conf"))}`;
    return `${(mode! & 0o7777).toString(8)} ${await this.read("/etc/resolv.conf")}`;
  }

  /** Starts systemd-resolved and the bus it is asked by; programs ask it from then on. */
  async startResolved(): Promise<Resolved> {
    await this.write("/run/dbus/system.conf", BUS);
    const bus = this.spawn("dbus-daemon", "--config-file=/run/dbus/system.conf", "--nofork");
    await this.run("sh", "-c", ADD_RESOLVED_USER);
    const resolved = new Resolved(this, bus);
    await resolved.start();
    await this.sendToStub();
    return resolved;
  }

  /** Makes programs ask systemd-resolved. */
  async sendToStub(): Promise<void> {
    const path = this.path("/etc/resolv.conf");
    await Deno.remove(path);
    await Deno.symlink("../run/systemd/resolve/stub-resolv.conf", path);
  }

  #command(argv: readonly string[]): string[] {
    return ["sh", "-c", ENTER, "sh", String(this.#holder.pid), ROOT, ...argv];
  }

  #environment() {
    return environment({ directory: this.#directory }, "client");
  }
}

/** Its package does this when it is installed. */
const ADD_RESOLVED_USER = `
grep -q '^systemd-resolve:' /etc/passwd ||
  echo 'systemd-resolve:x:991:991::/:/usr/sbin/nologin' >> /etc/passwd
grep -q '^systemd-resolve:' /etc/group || echo 'systemd-resolve:x:991:' >> /etc/group
mkdir -p /run/systemd/resolve
chown -R systemd-resolve:systemd-resolve /run/systemd/resolve`;

class Resolved {
  readonly #machine: DaemonMachine;
  readonly bus: Child;
  #daemon: Child | null = null;

  constructor(machine: DaemonMachine, bus: Child) {
    this.#machine = machine;
    this.bus = bus;
  }

  async start(): Promise<void> {
    const daemon = this.#daemon = this.#machine.spawn(
      ...["env", "SYSTEMD_LOG_TARGET=console", "/usr/lib/systemd/systemd-resolved"],
    );
    await until("systemd-resolved answers", () => this.#machine.run("resolvectl", "dns"))
      .catch((error) => Promise.reject(new Error(`${error.message}\n${daemon.tail()}`)));
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    await this.#daemon?.stop(signal);
  }

  /** What it knows of all links, by their names and comparable as text. */
  async state(): Promise<string> {
    const { stdout } = await this.#machine.run(
      ...["sh", "-c", "resolvectl dns; resolvectl domain; resolvectl default-route"],
    );
    return stdout.replace(/^Link \d+ /gm, "");
  }

  get output(): string {
    return this.#daemon?.tail(50) ?? "";
  }
}

/** Waits until `reached` neither throws nor is false. Throws what it threw last. */
export async function until(
  what: string,
  reached: () => Promise<unknown>,
  timeoutMs = START_TIMEOUT_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      if (await reached() !== false) return;
      if (performance.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
