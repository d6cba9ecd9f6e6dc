/** A launcher for tests: a shell script stands in for Deno, in a folder of its own. */
import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { buildLauncher, type LauncherParts, packFile } from "./launcher.ts";

/** Stands in for Deno: it is called with `run FLAGS program.js ARGUMENTS`. */
export const RUNTIME = `#!/bin/sh
while [ "$1" != --last-flag ]; do shift; done
cat "$2"
shift 2
case \${1-} in
  exit) exit "$2" ;;
  die) kill -KILL $$ ;;
  wait) trap 'echo terminated; exit 42' TERM; echo ready; while :; do sleep 0.02; done ;;
  read) cat ;;
  environment) umask; echo "$PATH"; echo "$DENO_DIR"; pwd ;;
  *) printf '<%s>' "$@" ;;
esac
`;
export const PROGRAM = "program:";
export const ENCODER = new TextEncoder();

export class Bench implements AsyncDisposable {
  readonly cache: string;
  readonly file: string;
  readonly bytes: Uint8Array;

  constructor(readonly folder: string, cache?: LauncherParts["cache"]) {
    // The space and the quote would break a header that quotes badly.
    this.cache = join(folder, "it's a cache");
    this.file = join(folder, "fly");
    this.bytes = buildLauncher({
      name: "fly",
      runtime: packFile(ENCODER.encode(RUNTIME), 9),
      program: packFile(ENCODER.encode(PROGRAM), 9),
      runtimeArguments: ["run", "--flag=a b", "--last-flag"],
      cache: cache ?? { kind: "folder", path: this.cache },
    });
    this.write(this.bytes);
  }

  static async create(cache?: LauncherParts["cache"]): Promise<Bench> {
    const folder = await Deno.makeTempDir();
    await Deno.chmod(folder, 0o755);
    return new Bench(folder, cache);
  }

  write(bytes: Uint8Array) {
    Deno.writeFileSync(this.file, bytes);
    Deno.chmodSync(this.file, 0o755);
  }

  async run(args: string[] = [], options: Deno.CommandOptions = {}) {
    const command = new Deno.Command(this.file, { args, stdin: "null", ...options });
    const { code, signal, stdout, stderr } = await command.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, signal, stdout: decode(stdout), stderr: decode(stderr) };
  }

  /** Starts it and expects a refusal that says `message` and runs nothing. */
  async refuses(message: RegExp, why: string) {
    const { code, stdout, stderr } = await this.run(["x"]);
    ok(code !== 0, `${why}: accepted`);
    equal(stdout, "", why);
    match(stderr, message, why);
  }

  /** The folder it unpacked into. */
  home(): string {
    const names = [...Deno.readDirSync(this.cache)].map((entry) => entry.name);
    equal(names.length, 1, names.join(" "));
    match(names[0]!, /^fly-[0-9a-f]{64}$/);
    return join(this.cache, names[0]!);
  }

  async [Symbol.asyncDispose]() {
    await Deno.remove(this.folder, { recursive: true });
  }
}
