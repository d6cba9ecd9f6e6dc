/**
 * Daemons of other people that tests run for real: DHCP clients and servers, radvd, systemd-resolved,
 * nats-server, HTTP proxies.
 * Installing them would change the machine (systemd-resolved takes over its DNS, others start), so
 * Debian's packages are only unpacked, into a folder that machines of tests lay over their /usr.
 */
import { join } from "node:path";
import { needsRoot, run } from "../netns/namespace.ts";

/** Beside what they need and this machine lacks. */
const PACKAGES = [
  ...["dbus-daemon", "dhcpcd-base", "dnsmasq-base", "isc-dhcp-client"],
  ...["libnss-resolve", "nats-server", "radvd", "systemd-resolved"],
];
/** Apart, so that those above stay as they were unpacked. */
const PROXIES = ["squid", "tinyproxy"];
const CACHE = "/var/cache/fluxify-tests";
const DOWNLOAD_TIMEOUT_MS = 120_000;
const OVERLAY = ["mount", "-t", "overlay", "overlay", "-o"];
/** These are links into /usr on a machine of today. */
const USR_FOLDERS = ["bin", "sbin", "lib"];
/** Comes with systemd-resolved, and DHCP clients would ask it rather than write /etc/resolv.conf. */
const RESOLVCONF = "usr/sbin/resolvconf";

/**
 * For tests with daemons: `topic(name, run, await needsDaemons())`. Where they cannot be had they are
 * counted as skipped, and the reason is printed.
 */
export async function needsDaemons(): Promise<{ ignore: boolean }> {
  if (needsRoot().ignore) return needsRoot();
  try {
    await run("unshare", "--mount", ...OVERLAY, `lowerdir=${await unpackDaemons()}:/usr`, "/usr");
    return { ignore: false };
  } catch (error) {
    console.error(`tests with real daemons are skipped: ${(error as Error).message}`);
    return { ignore: true };
  }
}

/** As {@link needsDaemons}, for tests that run the store of several servers; CI has to have it. */
export async function needsNatsServer(): Promise<{ ignore: boolean }> {
  if (needsRoot().ignore) return needsRoot();
  try {
    await run(await natsServer(), "--version");
    return { ignore: false };
  } catch (error) {
    if (Deno.env.get("CI") === "true") throw error;
    console.error(`tests with a shared store are skipped: ${(error as Error).message}`);
    return { ignore: true };
  }
}

/** As {@link needsDaemons}, for tests with HTTP proxies; CI has to have them. */
export async function needsProxies(): Promise<{ ignore: boolean }> {
  if (needsRoot().ignore) return needsRoot();
  try {
    await run(
      "unshare",
      "--mount",
      ...OVERLAY,
      `lowerdir=${await unpackProxies()}/usr:/usr`,
      "/usr",
    );
    return { ignore: false };
  } catch (error) {
    if (Deno.env.get("CI") === "true") throw error;
    console.error(`tests with real proxies are skipped: ${(error as Error).message}`);
    return { ignore: true };
  }
}

/** As {@link unpackDaemons}, of squid and tinyproxy. */
export function unpackProxies(): Promise<string> {
  return unpacked("proxies", PROXIES);
}

/** The path of nats-server: of this machine, else unpacked. @throws Error when it cannot be had */
export async function natsServer(): Promise<string> {
  const installed = "/usr/sbin/nats-server";
  return await exists(installed) ? installed : join(await unpackDaemons(), "usr/sbin/nats-server");
}

/**
 * The folder that holds their `usr` and `etc`, filled on first use.
 * @throws Error when the packages cannot be had.
 */
export function unpackDaemons(): Promise<string> {
  return unpacked("daemons", PACKAGES);
}

async function unpacked(kind: string, packages: readonly string[]): Promise<string> {
  const folder = join(CACHE, `${kind}-${packages.join("-")}`);
  if (await exists(folder)) return folder;
  await Deno.mkdir(CACHE, { recursive: true, mode: 0o755 });
  // Files of tests that run side by side need the same.
  using lock = await Deno.open(join(CACHE, "lock"), { create: true, write: true });
  await lock.lock(true);
  if (await exists(folder)) return folder;
  const unfinished = join(CACHE, "unfinished");
  try {
    await removeIfThere(unfinished);
    await Deno.mkdir(unfinished);
    await unpackInto(unfinished, packages);
    await Deno.rename(unfinished, folder);
  } catch (error) {
    throw new Error(
      `Cannot get ${packages.join(", ")} to test with: apt-get must reach a Debian mirror; ` +
        `${(error as Error).message}`,
      { cause: error },
    );
  }
  return folder;
}

async function unpackInto(folder: string, packages: readonly string[]): Promise<void> {
  const archives = join(folder, "archives");
  await Deno.mkdir(join(archives, "partial"), { recursive: true });
  const aptGet = [
    ...["apt-get", "-q", "-y", "-o", `Dir::Cache::archives=${archives}`],
    // Its own user may not write here.
    ...["-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=60"],
    ...["-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1"],
  ];
  // Those that are installed come too: what they have under /etc may have been changed here.
  const download = [
    ...["install", "--no-install-recommends", "--download-only", "--reinstall"],
    ...packages,
  ];
  await runLong(...aptGet, ...download).catch(async () => {
    await runLong(...aptGet, "update");
    await runLong(...aptGet, ...download);
  });
  for await (const { name } of Deno.readDir(archives)) {
    if (name.endsWith(".deb")) await run("dpkg-deb", "-x", join(archives, name), folder);
  }
  await Deno.remove(archives, { recursive: true });
  for (const name of USR_FOLDERS) {
    if (!await exists(join(folder, name))) continue;
    await Deno.mkdir(join(folder, "usr", name), { recursive: true });
    await run("cp", "-a", "-T", join(folder, name), join(folder, "usr", name));
  }
  await Deno.remove(join(folder, RESOLVCONF)).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function runLong(...argv: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(argv[0]!, {
    args: argv.slice(1),
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
    stdout: "null",
    signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim().slice(-500));
}

async function removeIfThere(path: string): Promise<void> {
  if (await exists(path)) await Deno.remove(path, { recursive: true });
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
