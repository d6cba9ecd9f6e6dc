import { PreflightError } from "./exit.ts";

/** What the programs ask of the machine before they touch it. */
export interface Host {
  os: string;
  uid: number | null;
  /** `"unknown"` where the permissions do not let us look: opening it will tell. */
  tunDevice: "present" | "missing" | "unknown";
}

const TUN_DEVICE = "/dev/net/tun";

/**
 * Says why `program` cannot carry packets on this machine and what to do about it, or null when
 * nothing stands in the way.
 */
export function findObstacle(program: string, host: Host): string | null {
  if (host.os !== "linux") {
    return `${program} needs Linux (TUN devices, ip, iptables), and this is ${host.os}`;
  }
  if (host.uid !== 0) {
    return `${program} must be root to make a TUN device and routes: run with sudo`;
  }
  if (host.tunDevice === "missing") {
    return `${TUN_DEVICE} is missing: run 'modprobe tun'; a container needs ` +
      `--device ${TUN_DEVICE} --cap-add NET_ADMIN`;
  }
  return null;
}

/** Throws PreflightError when findObstacle() finds one. */
export function refuseObstacle(program: string, host: Host): void {
  const obstacle = findObstacle(program, host);
  if (obstacle !== null) throw new PreflightError(obstacle);
}

/** Reads what findObstacle() judges from the running machine. */
export function inspectHost(): Host {
  return { os: Deno.build.os, uid: Deno.uid(), tunDevice: inspectTunDevice() };
}

function inspectTunDevice(): Host["tunDevice"] {
  try {
    return Deno.statSync(TUN_DEVICE).isCharDevice === false ? "missing" : "present";
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "missing" : "unknown";
  }
}
