/** What the machine is, and whether it can carry packets fast. */
import { PreflightError } from "../../lib/cli/exit.ts";
import { findObstacle, inspectHost } from "../../lib/cli/preflight.ts";
import { nativeEngineObstacle } from "../../lib/net/native/native_engine.ts";
import { formatDate } from "../../lib/pki/certificate.ts";
import { type Check, checksOf, failedBy } from "./check.ts";
import { SOCKET_BUFFER_BYTES } from "../../lib/ffi/linux/socket.ts";

const { ok, warning, failed } = checksOf("System");
const MEMORY_MIN_KB = 128 * 1024;
/** Of the kernel: UDP GSO came with 4.18, GRO with 5.0, and both for TUN devices with 6.2. */
const GSO_FROM = version(5, 0);
const TUN_OFFLOAD_FROM = version(6, 2);
/** A clock before this has not been set. */
const YEAR_MIN = 2025;

/** `read` as Deno.readTextFileSync; a file that is not there is null. */
export function systemChecks(
  read: (path: string) => string | null = readFile,
  host = inspectHost(),
): Check[] {
  const checks: Check[] = [];
  const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(read("/etc/os-release") ?? "")?.[1];
  const release = (read("/proc/sys/kernel/osrelease") ?? "unknown").trim();
  checks.push(ok("operating system", `${name ?? Deno.build.os}, kernel ${release}`));
  checks.push(...processorChecks(read("/proc/cpuinfo") ?? ""));
  checks.push(memoryCheck(read("/proc/meminfo") ?? ""));
  for (const limit of ["rmem_max", "wmem_max"]) {
    checks.push(bufferCheck(limit, Number(read(`/proc/sys/net/core/${limit}`))));
  }
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  checks.push(offloadCheck(version(Number(major), Number(minor))));
  const obstacle = findObstacle(host);
  checks.push(
    obstacle === null
      ? ok("privileges and TUN device", "root, and /dev/net/tun is there")
      : failedBy("System", "privileges and TUN device", new PreflightError(obstacle)),
  );
  const native = nativeEngineObstacle();
  checks.push(
    native === null ? ok("engine", "native: libc and libcrypto can be used") : warning(
      "engine",
      `portable, which is slower: ${native}`,
      "install OpenSSL 3 (libcrypto.so.3)",
    ),
  );
  checks.push(clockCheck(new Date()));
  return checks;
}

function processorChecks(cpuinfo: string): Check[] {
  const model = /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.trim() ?? Deno.build.arch;
  const flags = new Set(
    (/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? "").split(/\s+/),
  );
  const aes = flags.has("vaes") ? "VAES" : flags.has("aes") ? "AES" : null;
  const cores = navigator.hardwareConcurrency;
  const text = `${model}, ${cores} cores`;
  return [
    aes !== null
      ? ok("processor", `${text}, encrypts by instructions of its own (${aes})`)
      : warning(
        "processor",
        `${text}, without instructions for AES`,
        "encryption takes much of this processor: do not expect hundreds of Mbit/s",
      ),
  ];
}

function memoryCheck(meminfo: string): Check {
  const available = Number(/^MemAvailable:\s*(\d+)/m.exec(meminfo)?.[1] ?? NaN);
  if (Number.isNaN(available)) return warning("memory", "the kernel does not say");
  const text = `${Math.round(available / 1024)} MiB available`;
  return available >= MEMORY_MIN_KB
    ? ok("memory", text)
    : warning("memory", text, "end other programs: the client takes about 100 MiB");
}

function bufferCheck(limit: string, bytes: number): Check {
  const text = `${Math.round(bytes / 1024)} KiB`;
  if (bytes >= SOCKET_BUFFER_BYTES) return ok(`net.core.${limit}`, text);
  // Root may go beyond it, which the engines do.
  return Deno.uid() === 0
    ? ok(`net.core.${limit}`, `${text}; the client goes beyond it as root`)
    : warning(
      `net.core.${limit}`,
      `${text} is little for fast links`,
      `sysctl -w net.core.${limit}=${SOCKET_BUFFER_BYTES}`,
    );
}

function version(major: number, minor: number): number {
  return major * 1000 + minor;
}

function offloadCheck(kernel: number): Check {
  if (!(kernel >= GSO_FROM)) {
    return warning(
      "offloads",
      "this kernel neither cuts nor joins UDP datagrams",
      "a kernel from 5.0 on is faster, from 6.2 on faster still",
    );
  }
  return kernel >= TUN_OFFLOAD_FROM
    ? ok("offloads", "UDP GSO and GRO; TCP and UDP through the TUN device")
    : ok("offloads", "UDP GSO and GRO; TCP through the TUN device");
}

function clockCheck(now: Date): Check {
  return now.getUTCFullYear() >= YEAR_MIN ? ok("clock", formatDate(now)) : failed(
    "clock",
    `it says ${formatDate(now)}`,
    "set the clock: certificates look not valid yet",
  );
}

function readFile(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}
