/** Completion as it is used: the scripts in real shells on a terminal, and the Tab key. */
import { equal } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TemporaryDirectory } from "../../testing/pki/temporary_directory.ts";
import { canRunTmux, Tmux } from "../../testing/tmux.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAMS = ["client", "server"] as const;

/** Starts without anybody's own settings. */
const SHELLS: Record<string, { command: readonly string[]; setUp: string }> = {
  bash: { command: ["bash", "--norc", "--noprofile", "-i"], setUp: "" },
  zsh: { command: ["zsh", "-f", "-i"], setUp: "autoload -U compinit && compinit -u -D; " },
  fish: { command: ["fish", "--no-config", "-i"], setUp: "" },
};

function canRun(shell: string): boolean {
  try {
    return new Deno.Command(shell, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Both programs under their names in `folder`. */
async function placePrograms(folder: string): Promise<void> {
  for (const name of PROGRAMS) {
    const command = `'${Deno.execPath()}' run -A --no-check '${ROOT}${name}/main.ts' "$@"`;
    const path = join(folder, `fluxify-${name}`);
    await Deno.writeTextFile(path, `#!/bin/sh\nexec ${command}\n`, { mode: 0o755 });
  }
}

if (!canRunTmux()) console.warn("completion is not tried in shells: install tmux");

for (const [shell, { command, setUp }] of Object.entries(SHELLS)) {
  if (!canRun(shell)) console.warn(`completion is not tried in ${shell}: install it`);
  Deno.test({
    name: `${shell} completes options with one dash and two, values, commands and files`,
    ignore: !canRun(shell) || !canRunTmux(),
    fn: async () => {
      await using directory = await TemporaryDirectory.create();
      const folder = directory.path;
      await placePrograms(folder);
      await Deno.writeTextFile(join(folder, "laptop.bundle"), "");
      const denoDir = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
      const env = { HOME: folder, DENO_DIR: denoDir, PATH: `${folder}:${Deno.env.get("PATH")}` };
      await using terminal = await Tmux.run(["env", "-C", folder, ...command], {
        env,
        columns: 120,
      });
      /** `typed` and Tab make the line end with `expected`. */
      const completes = async (typed: string, expected: string) => {
        await terminal.type(typed);
        await terminal.press("Tab");
        const line = expected.replace(/[^\w ]/g, "\\$&");
        await terminal.waitFor(new RegExp(`[$%>#] ?${line}(?! *\\S)`, "m"));
        await terminal.press("C-u");
      };

      for (const name of PROGRAMS) {
        const load = `${setUp}fluxify-${name} completion ${shell} > ${name}; source ./${name}`;
        await terminal.type(`${load} && echo loaded ${name}`);
        await terminal.press("Enter");
        await terminal.waitFor(new RegExp(`^loaded ${name}$`, "m"));
      }
      await completes("fluxify-client -sched", "fluxify-client -scheduler");
      await completes("fluxify-client --mt", "fluxify-client --mtu");
      await completes("fluxify-client -b -scheduler stri", "fluxify-client -b -scheduler stripe");
      await completes("fluxify-client -scheduler=fail", "fluxify-client -scheduler=failover");
      await completes("fluxify-server cert rev", "fluxify-server cert revoke");
      await completes("fluxify-client -cert lap", "fluxify-client -cert laptop.bundle");
      const run = shell === "fish" ? "(touch run)" : "$(>run)";
      await completes(
        `fluxify-client -server ${run} -sched`,
        `fluxify-client -server ${run} -scheduler`,
      );
      const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
      equal(names.includes("run"), false, "Tab ran what was typed only");
      // What the shell keeps at its end is in the folder that goes now.
      await terminal.type("exit");
      await terminal.press("Enter");
      await terminal.waitFor(/^exit \d/m);
    },
  });
}
