/** A launcher for tests: a shell script stands in for Deno, in a folder of its own. */
import { equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { buildLauncher, packFile } from "./launcher.ts";

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
  environment) umask; echo "$PATH"; echo "$DENO_DIR"; pwd; printf "%s\\n" "$BUILT" "$FLUXIFY_HOME" "$HOME" ;;
  *) printf '<%s>' "$@" ;;
esac
`;
export const PROGRAM = "program:";
export const ENCODER = new TextEncoder();

/** Bytes of a launcher named `name` that says `program`, around `runtime`. */
export function launcher(name: string, program = PROGRAM, runtime = RUNTIME): Uint8Array {
  return buildLauncher({
    name,
    names: ["fly", "walk"],
    runtime: packFile(ENCODER.encode(runtime), 9),
    program: packFile(ENCODER.encode(program), 9),
    build: "BUILT=in a test",
    runtimeArguments: ["run", "--flag=a b", "--last-flag"],
  });
}

export class Bench implements AsyncDisposable {
  readonly cache: string;
  readonly file: string;
  readonly bytes = launcher("fly");

  constructor(readonly folder: string) {
    // The space and the quote would break a header that quotes badly.
    this.cache = join(folder, "it's a cache");
    this.file = join(folder, "fly");
    this.write(this.bytes);
  }

  static async create(): Promise<Bench> {
    const folder = await Deno.makeTempDir();
    await Deno.chmod(folder, 0o755);
    return new Bench(folder);
  }

  write(bytes: Uint8Array, file = this.file) {
    Deno.writeFileSync(file, bytes);
    Deno.chmodSync(file, 0o755);
  }

  async run(args: string[] = [], options: Deno.CommandOptions = {}, file = this.file) {
    const env = { FLUXIFY_CACHE: this.cache };
    const command = new Deno.Command(file, { args, stdin: "null", env, ...options });
    const { code, signal, stdout, stderr } = await command.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, signal, stdout: decode(stdout), stderr: decode(stderr) };
  }

  /** Starts it and expects a refusal that says `message` and runs nothing. */
  async refuses(message: RegExp, why: string, options: Deno.CommandOptions = {}) {
    const { code, stdout, stderr } = await this.run(["x"], options);
    ok(code !== 0, `${why}: accepted`);
    equal(stdout, "", why);
    match(stderr, message, why);
  }

  /** Names in the cache. */
  names(): string[] {
    return [...Deno.readDirSync(this.cache)].map((entry) => entry.name).sort();
  }

  /** The folder of the program, and that of the runtime. */
  home(): string {
    return this.#only(/^fly-[0-9a-f]{32}-[0-9a-f]{32}$/);
  }

  runtime(): string {
    return this.#only(/^runtime\.[0-9a-f]{32}$/);
  }

  #only(pattern: RegExp): string {
    const names = this.names().filter((name) => pattern.test(name));
    equal(names.length, 1, this.names().join(" "));
    return join(this.cache, names[0]!);
  }

  async [Symbol.asyncDispose]() {
    await Deno.remove(this.folder, { recursive: true });
  }
}
