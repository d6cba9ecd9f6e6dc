import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { join, resolve } from "node:path";
import { TemporaryDirectory } from "../testing/pki/temporary_directory.ts";
import { PROGRAMS } from "./compile.ts";
import { parseOptions } from "./package.ts";
import { buildArchive } from "./package/archive.ts";
import { buildDeb } from "./package/deb.ts";
import { packageTree } from "./package/tree.ts";

const ROOT = resolve(import.meta.dirname!, "..");

async function canRun(...argv: [string, ...string[]]): Promise<boolean> {
  const [command, ...args] = argv;
  const options = { args, stdout: "null", stderr: "null" } as const;
  return await new Deno.Command(command, options).output().then(
    ({ success }) => success,
    () => false,
  );
}

async function textOf(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** The tree of a package whose programs are a few bytes. */
async function smallTree(folder: string) {
  for (const { name } of PROGRAMS) await Deno.writeTextFile(join(folder, name), "#!/bin/sh\n");
  return await packageTree(ROOT, folder);
}

Deno.test("options of the package are checked", () => {
  deepEqual(
    parseOptions(["--", "--arch", "amd64,arm64", "--version", "1.2~rc1", "--output", "/x"]),
    {
      ...{ architectures: ["amd64", "arm64"], version: "1.2~rc1", output: "/x", hasDeb: true },
    },
  );
  throws(() => parseOptions(["--arch", "riscv64"]), /knows amd64 and arm64, not 'riscv64'/);
  throws(() => parseOptions(["--version="]), /'' is no version/);
  throws(() => parseOptions(["--version", "v1"]), /'v1' is no version/);
});

Deno.test({
  name: "a package has programs, units, pages and completions, and two builds are one",
  ignore: !await canRun("dpkg-deb", "--version"),
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const folder = directory.path;
    const files = await smallTree(folder);
    const options = {
      root: ROOT,
      version: "1.2",
      architecture: "arm64",
      files,
      epoch: 1e9,
    } as const;
    const digests = new Set<string>();
    const names = [""];
    for (const build of ["one", "two"]) {
      const output = join(folder, build);
      await Deno.mkdir(output);
      for (const name of [await buildDeb(output, options), await buildArchive(output, options)]) {
        names.push(name);
        digests.add((await textOf("sha256sum", join(output, name))).split(" ")[0]!);
      }
    }
    equal(digests.size, 2, "the same files make the same packages");
    deepEqual(names.slice(1, 3), ["fluxify_1.2_arm64.deb", "fluxify-1.2-linux-arm64.tar.gz"]);
    const deb = join(folder, "one", "fluxify_1.2_arm64.deb");
    const list = await textOf("dpkg-deb", "-c", deb);
    for (
      const line of [
        /^-rwxr-xr-x root\/root .* \.\/usr\/bin\/fluxify-client$/m,
        /^-rwxr-xr-x root\/root .* \.\/usr\/bin\/fluxify-server$/m,
        / \.\/usr\/lib\/systemd\/system\/fluxify-client@\.service$/m,
        / \.\/usr\/share\/bash-completion\/completions\/fluxify-client$/m,
        / \.\/usr\/share\/zsh\/vendor-completions\/_fluxify-server$/m,
        / \.\/usr\/share\/man\/man1\/fluxify-server\.1\.gz$/m,
        / \.\/etc\/fluxify\/server\.env\.example$/m,
        / \.\/usr\/lib\/systemd\/system\/fluxify-server-web\.service$/m,
      ]
    ) match(list, line);
    match(await textOf("dpkg-deb", "-f", deb, "Depends"), /^adduser, .*iproute2/);
    equal(
      await textOf("dpkg-deb", "-I", deb, "conffiles"),
      "/etc/fluxify/client.json.example\n/etc/fluxify/server.env.example\n" +
        "/etc/fluxify/web.env.example\n",
    );
    const archive = join(folder, "two", "fluxify-1.2-linux-arm64.tar.gz");
    match(
      await textOf("tar", "-tzf", archive),
      /^fluxify-1\.2-linux-arm64\/usr\/bin\/fluxify-client$/m,
    );
  },
});

Deno.test({
  name: "systemd finds nothing wrong with the units, and their exposure is what the docs say",
  ignore: !await canRun("systemd-analyze", "--version"),
  fn: async () => {
    await using directory = await TemporaryDirectory.create();
    const unit = async (from: string, to = from) => {
      const text = await Deno.readTextFile(join(ROOT, "packaging/systemd", from));
      const path = join(directory.path, to);
      // Their programs are not installed here.
      await Deno.writeTextFile(path, text.replaceAll("/usr/bin/fluxify-", "/bin/true "));
      return path;
    };
    const stated = await Deno.readTextFile(join(ROOT, "docs/operations.md"));
    for (const { name } of PROGRAMS) {
      const one = await unit(`${name}.service`);
      const named = await unit(`${name}@.service`, `${name}@home.service`);
      for (const path of [one, named, await unit(`${name}-web.service`)]) {
        const verify = await new Deno.Command("systemd-analyze", {
          args: ["verify", "--man=no", path],
        }).output();
        // Units of this machine are read, too, and are not ours to judge.
        const said = new TextDecoder().decode(verify.stderr).split("\n")
          .filter((line) => line.includes("fluxify"));
        deepEqual([verify.code, said], [0, []], path);
      }
      for (const scored of [name, `${name}-web`]) {
        const { stdout } = await new Deno.Command("systemd-analyze", {
          args: ["security", "--offline=true", join(directory.path, `${scored}.service`)],
        }).output();
        const score = /Overall exposure level for \S+: ([\d.]+)/.exec(
          new TextDecoder().decode(stdout),
        )?.[1];
        ok(score !== undefined);
        // Versions of systemd count a little differently.
        ok(Number(score) < 4, `${scored} ${score}`);
        match(stated, new RegExp(`\`systemd-analyze security ${scored}\`\\s+says \\d\\.\\d`));
      }
    }
  },
});

Deno.test({
  name: "the scripts of the package and of other service managers are clean shell",
  ignore: !await canRun("shellcheck", "--version"),
  fn: async () => {
    const scripts = ["postinst", "prerm", "postrm"].map((name) => `packaging/debian/${name}`);
    await textOf("shellcheck", ...scripts.map((path) => join(ROOT, path)));
    // Words and variables that come from the manager are not known to shellcheck.
    const others = ["openrc", "procd"].flatMap((folder) =>
      ["client", "server"].map((name) => join(ROOT, `packaging/${folder}/fluxify-${name}`))
    );
    await textOf("shellcheck", "-s", "sh", "-e", "SC1008,SC2034,SC1091,SC2086,SC2154", ...others);
  },
});
