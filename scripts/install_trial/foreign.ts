/** The programs of another architecture, under qemu-user. */
import { join } from "node:path";
import { VERSION } from "../../lib/cli/version.ts";
import { runHere } from "./machine.ts";
import type { StepList } from "./steps.ts";

const QEMU = "qemu-aarch64-static";
/** Compiling JavaScript under an emulator takes its time. */
const LIMIT_MS = 300_000;

/**
 * The packed runtime is unpacked by this machine's shell, and run by qemu: `-version` and `diag` show
 * that it starts and that its calls of system libraries work, as far as those of arm64 are there.
 */
export async function tryForeign(
  steps: StepList,
  folder: string,
  build: (version: string, ...more: string[]) => Promise<string>,
): Promise<void> {
  const version = `${VERSION}+arm64`;
  const cache = join(folder, "arm64-cache");
  const tree = join(folder, "arm64");
  let program: string[] = [];
  await steps.step("the package for arm64 is built around the runtime from npm", async () => {
    const output = await build(version, "--arch", "arm64");
    const deb = join(output, `fluxify_${version}_arm64.deb`);
    const { code, text } = await runHere(["dpkg-deb", "-x", deb, tree]);
    if (code !== 0) throw new Error(text);
  });
  await steps.step("its launcher unpacks a program of arm64", async () => {
    const client = join(tree, "usr/bin/fluxify-client");
    // Without binfmt_misc the kernel cannot run what is unpacked; that it is unpacked is enough.
    await runHere(["env", `FLUXIFY_CACHE=${cache}`, client, "--version"]);
    const names = [...Deno.readDirSync(cache)].map(({ name }) => name);
    const runtime = names.find((name) => name.startsWith("runtime."));
    const home = names.find((name) => name.startsWith("fluxify-client-"));
    if (runtime === undefined || home === undefined) throw new Error(`only ${names.join(", ")}`);
    const binary = join(cache, runtime, "fluxify-client");
    const machine = Deno.readFileSync(binary).subarray(18, 20);
    if (machine[0] !== 183) throw new Error(`it is of machine ${machine[0]}`); // EM_AARCH64
    program = [binary, "run", "-A", "--quiet", "--no-config", "--no-lock", "--unstable-net"];
    program.push(join(cache, home, "program.js"));
  });
  const start = async (...args: string[]) => {
    const prefix = Deno.env.get("FLUXIFY_ARM64_ROOT") ?? "/usr/aarch64-linux-gnu";
    return await runHere([QEMU, "-L", prefix, ...program, ...args], LIMIT_MS);
  };
  await steps.step("it starts, and says its version", async () => {
    const { code, text } = await start("--version");
    if (code !== 0 || !text.includes(`fluxify-client ${VERSION}`)) throw new Error(text);
  });
  await steps.step("diag runs to its end", async () => {
    const { text } = await start("diag", "--json");
    if (!/"checks":\[/.test(text)) throw new Error(text.slice(-1000));
  });
}
