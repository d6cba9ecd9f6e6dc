import { PreflightError } from "./exit.ts";

/** What the programs ask of the machine before they touch it. */
export interface Host {
  os: string;
  uid: number | null;
  /** `"unknown"` where the permissions do not let us look: opening it will tell. */
  tunDevice: "present" | "missing" | "unknown";
}

const TUN_DEVICE = "/dev/net/tun";

/** What root is needed for unless something else is told. */
const CARRY_PACKETS = "make a TUN device and routes";

/**
 * Says why a program cannot carry packets on this machine, or do what `purpose` says, with what to do
 * about it behind "; ". Null when nothing stands in the way.
 */
export function findObstacle(host: Host, purpose = CARRY_PACKETS): string | null {
  if (host.os !== "linux") {
    return `needs Linux (TUN devices, ip, iptables), and this is ${host.os}`;
  }
  if (host.uid !== 0) return `must be root to ${purpose}; run with sudo`;
  if (host.tunDevice === "missing") {
    return `${TUN_DEVICE} is missing; run 'modprobe tun'; a container needs ` +
      `--device ${TUN_DEVICE} --cap-add NET_ADMIN`;
  }
  return null;
}

/** Throws PreflightError when findObstacle() finds one. */
export function refuseObstacle(host: Host, purpose = CARRY_PACKETS): void {
  const obstacle = findObstacle(host, purpose);
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
