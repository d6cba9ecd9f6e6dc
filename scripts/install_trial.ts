/**
 * `sudo deno task install-trial`: the packages as a person uses them. Two machines of Debian with
 * systemd, in namespaces with two links between them: install, set up by the questions of both
 * programs, reboot, a thread that hangs, upgrade, remove, purge. With `--arm64` the programs of the
 * other architecture are started under qemu as well.
 *
 *     sudo deno task install-trial                       about four minutes, the first time more
 *     sudo deno task install-trial -- --tree /var/tmp/x  keeps the tree of Debian there
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { VERSION } from "../lib/cli/version.ts";
import { makeTree, mustRun, runHere } from "./install_trial/machine.ts";
import { StepList } from "./install_trial/steps.ts";
import { tryForeign } from "./install_trial/foreign.ts";
import { tryPackages } from "./install_trial/packages.ts";
import { type LabOptions, runLabCommand } from "./setup/lab_command.ts";
import { TemporaryDirectory } from "./lab/temporary_directory.ts";

const ROOT = resolve(import.meta.dirname!, "..");
/** Later than what is built, for the upgrade. */
const NEXT_VERSION = `${VERSION}+next`;
const USAGE = `Usage: sudo deno task install-trial [-- [OPTION]...]

  --tree FOLDER   where the tree of Debian is made and kept; /var/tmp/fluxify-trial unless given
  --suite NAME    of Debian; bookworm unless given
  --mirror URL    http://deb.debian.org/debian unless given
  --arm64         also the programs for arm64, under qemu
  --no-install    install nothing: print the command for what is missing
  --help          this text`;

interface Options extends LabOptions {
  readonly tree: string;
  readonly suite: string;
  readonly mirror: string;
  readonly hasForeign: boolean;
}

function parseOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== "--"),
    options: {
      tree: { type: "string", default: "/var/tmp/fluxify-trial" },
      suite: { type: "string", default: "bookworm" },
      mirror: { type: "string", default: "http://deb.debian.org/debian" },
      arm64: { type: "boolean", default: false },
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const { suite, mirror, arm64: hasForeign } = values;
  const install = values["no-install"] ? "print only" : "install";
  return { tree: resolve(values.tree), suite, mirror, hasForeign, install };
}

async function run({ tree, suite, mirror, hasForeign }: Options): Promise<boolean> {
  const steps = new StepList();
  using directory = await TemporaryDirectory.create("trial");
  const build = async (version: string, ...more: string[]) => {
    const output = join(directory.path, version);
    const script = join(ROOT, "scripts/package.ts");
    const args = ["--version", version, "--output", output, ...more];
    await mustRun([Deno.execPath(), "run", "-A", script, ...args]);
    return output;
  };
  const debs = new Map<string, string>();
  await steps.step("packages are built, this version and a later one", async () => {
    for (const version of [VERSION, NEXT_VERSION]) {
      debs.set(version, join(await build(version), `fluxify_${version}_amd64.deb`));
    }
  });
  await steps.step("lintian finds no error", async () => {
    const { code, text } = await runHere([
      ...["lintian", "--allow-root", "--fail-on", "error", debs.get(VERSION)!],
    ]);
    if (code !== 0) throw new Error(text);
  });
  await steps.step(
    `a tree of Debian ${suite} is made, or there`,
    () => makeTree(tree, suite, mirror),
  );
  if (steps.failed === 0) {
    await tryPackages(steps, tree, { first: debs.get(VERSION)!, next: debs.get(NEXT_VERSION)! });
  }
  if (hasForeign) await tryForeign(steps, directory.path, build);
  console.log(`${steps.passed} passed, ${steps.failed} failed`);
  return steps.failed === 0;
}

if (import.meta.main) {
  await runLabCommand({
    task: "install-trial",
    usage: USAGE,
    tools: [
      ...["debootstrap", "dpkg-deb", "ip", "iptables", "lintian", "nsenter", "ping"] as const,
      ...["qemu-aarch64-static", "systemd-nspawn", "tmux"] as const,
    ],
    parse: parseOptions,
    run,
  });
}
