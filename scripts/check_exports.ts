/**
 * Fails on an export that no other module imports: it is either dead, or private to its file. Tests
 * count as importers. Prints each as `file: name`, and exits 1 when there is one.
 */
import { join, relative, resolve } from "node:path";
import { analyzeTsConfig } from "ts-unused-exports";
import { TemporaryDirectory } from "./lab/temporary_directory.ts";

const FOLDERS = ["client", "lib", "scripts", "server", "testing", "tests"];

/** Exports that are used in a way the tool does not see. */
const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // The public face of the package.
  "mod.ts": ["*"],
  // Imported by name at the moment a screen is asked for, to keep the start fast.
  "client/screen/show.ts": ["showBonding", "showBalance"],
  "client/diagnostics/run.ts": ["runDiag"],
  "client/screen/form/start_screen.ts": ["showStartScreen"],
  "client/local_socket/ask.ts": ["runAsk"],
  "client/page/client_page.ts": ["openClientPage", "CLIENT_PAGE"],
  "server/page/server_page.ts": ["openServerPage", "SERVER_PAGE"],
  "lib/page/page_process.ts": ["runPageProcess"],
  "lib/page/web_command.ts": ["runWeb"],
  "server/clients/run.ts": ["runClientCommand"],
  "server/forwards/run.ts": ["runForwardCommand"],
  "client/service/up.ts": ["bringUp"],
  "client/diagnostics/netcheck.ts": ["runNetcheck"],
  "server/local_socket/ask.ts": ["runAsk"],
  "client/setup/wizard.ts": ["runSetup"],
  "server/setup/wizard.ts": ["runServerSetup"],
  "server/screen/manager.ts": ["showManager"],
  // Loaded only when a shell asks.
  "lib/cli/completion.ts": ["writeCompletionScript", "writeCompletions"],
  // The certificate parser takes a tenth of a second to load.
  "lib/pki/tls/certificate_usage.ts": ["isCertificateFor"],
  // Loaded by servers that share a store.
  "server/store/nats/nats_service.ts": ["NatsService"],
  // Loaded when the guard of main.ts is in place.
  "client/client_program.ts": ["run"],
  "server/server_program.ts": ["run"],
};

interface UnusedExport {
  /** Relative to the root of the repository, with slashes. */
  readonly file: string;
  readonly name: string;
}

/** Finds the unused exports of the repository in the folder `root`, without the exceptions. */
export async function findUnusedExports(
  root: string,
  exceptions = EXCEPTIONS,
): Promise<UnusedExport[]> {
  using directory = await TemporaryDirectory.create("exports");
  const config = join(directory.path, "tsconfig.json");
  const include = [...FOLDERS.map((folder) => `${root}/${folder}/**/*.ts`), `${root}/*.ts`];
  const compilerOptions = {
    allowImportingTsExtensions: true,
    noEmit: true,
    module: "esnext",
    moduleResolution: "bundler",
    target: "esnext",
  };
  await Deno.writeTextFile(config, JSON.stringify({ compilerOptions, include }));
  const { unusedExports } = analyzeTsConfig(config);
  return Object.entries(unusedExports).flatMap(([path, names]) => {
    const file = relative(root, path);
    const allowed = exceptions[file] ?? [];
    return names.map(({ exportName }) => exportName)
      .filter((name) => !allowed.includes("*") && !allowed.includes(name))
      .map((name) => ({ file, name }));
  }).sort((a, b) => a.file < b.file ? -1 : 1);
}

if (import.meta.main) {
  const unused = await findUnusedExports(resolve(import.meta.dirname!, ".."));
  for (const { file, name } of unused) console.log(`${file}: ${name} is exported and used nowhere`);
  console.log(`exports: ${unused.length} unused`);
  if (unused.length > 0) Deno.exit(1);
}
