/** Cgroups of version 2, as rules of nft name them: by their path, which nft turns into a number. */
import { join } from "node:path";

/** Where nft looks for the paths it is given. */
const NFT_ROOT = "/sys/fs/cgroup";

/** Of a path and of each part of it, as file systems have them. */
const PATH_LENGTH_MAX = 1024;
const PART_LENGTH_MAX = 255;
/** Of what was given, in messages. */
const SHOWN_LENGTH_MAX = 60;

/** Where the machine has its cgroups. */
export interface CgroupMount {
  /** The folder of the outermost one. */
  readonly root: string;
  /** Below NFT_ROOT; empty: it is that. */
  readonly prefix: string;
}

/** A cgroup that is there. */
export interface Cgroup {
  /** As a rule of nft names it. */
  readonly nftPath: string;
  /** How deep it lies, from 1. */
  readonly level: number;
  /** Another one of the same path has another. */
  readonly id: number;
}

/**
 * Reads /proc/self/mountinfo. Throws Error that says what to do where there are no cgroups of version
 * 2 in the place where nft looks for them.
 */
export function cgroupMount(mountInfo = readMountInfo()): CgroupMount {
  const roots = mountInfo.split("\n").flatMap((line) => {
    const [mount = "", kind = ""] = line.split(" - ");
    return kind.startsWith("cgroup2 ") ? [mount.split(" ")[4]!] : [];
  });
  const root = roots.find((path) => path === NFT_ROOT || path.startsWith(`${NFT_ROOT}/`));
  if (root !== undefined) return { root, prefix: root.slice(NFT_ROOT.length + 1) };
  throw new Error(
    "Cannot tell traffic by its cgroup: this machine has no cgroups of version 2 at " +
      `${NFT_ROOT}; mount them (systemd does with systemd.unified_cgroup_hierarchy=1), or let the ` +
      "programs set a mark and use -bypass-mark",
  );
}

function readMountInfo(): string {
  try {
    return Deno.readTextFileSync("/proc/self/mountinfo");
  } catch {
    return "";
  }
}

/** @param path such as system.slice/backup.service. Null while it is not there. */
export function readCgroup({ root, prefix }: CgroupMount, path: string): Cgroup | null {
  try {
    const { isDirectory, ino } = Deno.statSync(join(root, path));
    if (!isDirectory || ino === null) return null;
    const level = path.split("/").length;
    return { nftPath: prefix === "" ? path : `${prefix}/${path}`, level, id: ino };
  } catch {
    return null;
  }
}

/**
 * The path as the kernel has it, without what it is mounted on: system.slice/backup.service. Throws
 * RangeError for what is none, or would be every program there is.
 */
export function plainCgroupPath(text: string): string {
  const path = text.trim().replace(/^\/sys\/fs\/cgroup(?=\/|$)/, "").replace(/^\/+|\/+$/g, "");
  const shown = text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text;
  if (path === "") throw new RangeError(`'${shown}' is every program of the machine`);
  const isPlain = /^[A-Za-z0-9@:._\\+-]+(?:\/[A-Za-z0-9@:._\\+-]+)*$/.test(path);
  if (!isPlain || path.split("/").some((part) => part === "." || part === "..")) {
    throw new RangeError(
      `'${shown}' is no path of a cgroup, such as system.slice/backup.service (systemd-cgls shows them)`,
    );
  }
  const isTooLong = path.split("/").some((part) => part.length > PART_LENGTH_MAX);
  if (isTooLong || path.length > PATH_LENGTH_MAX) {
    throw new RangeError(
      `'${shown}' is longer than a path of a cgroup may be: ${PART_LENGTH_MAX} characters between two ` +
        `slashes, and ${PATH_LENGTH_MAX} in all`,
    );
  }
  return path;
}
