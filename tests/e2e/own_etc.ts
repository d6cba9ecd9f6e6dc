/**
 * An /etc of its own for programs of a lab: network namespaces share that of the machine, which no
 * test may touch. Programs see it through a mount namespace, tests in the lab's directory.
 */

import { join } from "node:path";
import type { Lab } from "../../scripts/lab/lab.ts";
import { environment, program } from "../../scripts/lab/programs.ts";
import { type Child, type Output, run } from "../netns/namespace.ts";

export type ResolvConfKind = "file" | "mounted file" | "read-only file" | "link";

/** Nothing runs unless all mounts have worked. */
const ENTER = `mount --bind "$1" /etc
test -z "$2" || mount --bind "$2" /etc/resolv.conf
test -z "$3" || mount -o "remount,bind,$3" /etc/resolv.conf
shift 3
exec "$@"`;

export class OwnEtc {
  readonly #lab: Lab;
  readonly #folder: string;
  readonly #mounted: string;
  readonly #mountOptions: string;

  private constructor(lab: Lab, folder: string, mounted: string, mountOptions: string) {
    this.#lab = lab;
    this.#folder = folder;
    this.#mounted = mounted;
    this.#mountOptions = mountOptions;
  }

  /** A copy of /etc whose resolv.conf is as a file, one as containers mount it, or a link. */
  static async create(lab: Lab, kind: ResolvConfKind, content: string): Promise<OwnEtc> {
    const folder = join(lab.directory, `etc-${kind.replace(" ", "-")}`);
    await run("rm", "-rf", folder);
    await run("cp", "-a", "/etc", folder);
    const isMounted = kind === "mounted file" || kind === "read-only file";
    const mounted = isMounted ? `${folder}.resolv.conf` : "";
    const etc = new OwnEtc(lab, folder, mounted, kind === "read-only file" ? "ro" : "");
    await Deno.remove(etc.path("resolv.conf")).catch(() => {});
    await Deno.writeTextFile(
      etc.path(kind === "link" ? "resolv.conf.real" : "resolv.conf"),
      content,
    );
    if (kind === "link") await Deno.symlink("resolv.conf.real", etc.path("resolv.conf"));
    if (isMounted) await Deno.writeTextFile(mounted, content);
    return etc;
  }

  /** The path of a file of this /etc as tests see it. */
  path(name: string): string {
    return name === "resolv.conf" && this.#mounted !== ""
      ? this.#mounted
      : join(this.#folder, name);
  }

  /** What /etc/resolv.conf is: kind, rights, owner and content. */
  async resolvConf(): Promise<string> {
    const path = this.path("resolv.conf");
    const { isSymlink, mode, uid, gid } = await Deno.lstat(path);
    const link = isSymlink ? `link to ${await Deno.readLink(path)} ` : "";
    const rights = isSymlink ? "" : `${(mode ?? 0).toString(8)} ${uid}:${gid} `;
    return link + rights + await Deno.readTextFile(path);
  }

  spawnClient(...args: string[]): Child {
    return this.spawn(...program("client"), ...args);
  }

  /** Starts a command of the client's machine. */
  spawn(...argv: string[]): Child {
    return this.#lab.client.spawn(this.#command(argv), environment(this.#lab, "client"));
  }

  /** Runs a command of the client's machine to its end. */
  run(...argv: string[]): Promise<Output> {
    return this.#lab.client.runWith(environment(this.#lab, "client"), ...this.#command(argv));
  }

  get #mounts(): string[] {
    return [this.#folder, this.#mounted, this.#mountOptions];
  }

  #command(argv: readonly string[]): string[] {
    return ["unshare", "-m", "sh", "-ec", ENTER, "sh", ...this.#mounts, ...argv];
  }
}
