/**
 * Writes what describes the flags of both programs: the tables in docs/operations.md and the man
 * pages. All of it comes from the options as the programs declare them. `--check` writes nothing and
 * exits 1 when something is not as it would be written.
 */
import { join, resolve } from "node:path";
import { BALANCE_FLAGS } from "../client/config/balance_options.ts";
import { BOND_FLAGS } from "../client/config/bond_options.ts";
import { describeClientProgram } from "../client/config/options.ts";
import { manPage, type ManWords } from "../lib/cli/man_page.ts";
import { markdownTable, optionTable } from "../lib/cli/option_table.ts";
import { VERSION } from "../lib/cli/version.ts";
import { describeServerProgram } from "../server/options.ts";

const CLIENT_WORDS: ManWords = {
  summary: "carry the traffic of this machine over several links at once",
  examples: [
    ["sudo fluxify-client", "A screen to choose on, and to start from."],
    ["sudo fluxify-client -b -server vpn.example.com", "Bonds all links that work."],
    ["sudo fluxify-client -l -ifaces wan1,wan2", "Balances connections, without a server."],
    ["sudo fluxify-client status -watch", "What a running client does, again each second."],
    ["sudo fluxify-client down", "Stops it, and returns when everything is undone."],
    ["sudo fluxify-client restore", "Undoes what a client that was killed left behind."],
  ],
  files: [
    ["~/.fluxify/config.json", "The settings: what the flags are when they are not given."],
    ["~/.fluxify/NAME.bundle", "Certificate, key and authority, from the server."],
    ["/run/fluxify/client.sock", "Where a running client is asked."],
  ],
  seeAlso: ["fluxify-server(1)", "ip(8)", "nft(8)"],
};

const SERVER_WORDS: ManWords = {
  summary: "carry the traffic of clients that reach it over several links at once",
  examples: [
    [
      "sudo fluxify-server -hosts vpn.example.com",
      "Serves; makes its authority on the first start.",
    ],
    ["sudo fluxify-server cert new laptop", "Writes pki/clients/laptop.bundle."],
    ["sudo fluxify-server sessions", "Who is connected to a running server."],
  ],
  files: [
    ["./pki", "The authority, the certificate of the server, and those of its clients."],
    ["/run/fluxify/server.sock", "Where a running server is asked."],
  ],
  seeAlso: ["fluxify-client(1)", "ip(8)", "nft(8)"],
};

/** Where the table of the flags of `program` is in a document. */
const BEGIN = (program: string) =>
  `<!-- flags of ${program}: written by scripts/write_flags.ts -->`;
const END = "<!-- end of flags -->";

/** By its path from the root, what each file has to be. `read` gets what the file is now. */
export async function describedFlags(
  read: (path: string) => Promise<string>,
): Promise<ReadonlyMap<string, string>> {
  const client = describeClientProgram();
  const server = describeServerProgram();
  const document = "docs/operations.md";
  let text = await read(document);
  text = withTable(text, server.name(), markdownTable(optionTable(server)));
  text = withTable(text, client.name(), markdownTable(optionTable(client), clientModes));
  return new Map([
    [document, text],
    ["docs/man/fluxify-client.1", manPage(client, VERSION, CLIENT_WORDS)],
    ["docs/man/fluxify-server.1", manPage(server, VERSION, SERVER_WORDS)],
  ]);
}

function clientModes(name: string): string {
  if (name === "bond" || name === "load-balance") return "";
  const isBond = BOND_FLAGS.includes(`-${name}`);
  const isBalance = BALANCE_FLAGS.includes(`-${name}`);
  return isBond ? "b" : isBalance ? "l" : "b, l";
}

function withTable(text: string, program: string, table: string): string {
  const [begin, end] = [
    text.indexOf(BEGIN(program)),
    text.indexOf(END, text.indexOf(BEGIN(program))),
  ];
  if (begin < 0 || end < 0) throw new Error(`docs/operations.md has no place for ${program}`);
  return `${text.slice(0, begin)}${BEGIN(program)}\n\n${table}\n\n${text.slice(end)}`;
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname!, "..");
  const read = (path: string) => Deno.readTextFile(join(root, path));
  const isCheck = Deno.args.includes("--check");
  for (const [path, text] of await describedFlags(read)) {
    const before = await read(path).catch(() => null);
    if (before === text) continue;
    if (isCheck) {
      console.log(`${path} is not as 'deno run -A scripts/write_flags.ts' writes it`);
      Deno.exitCode = 1;
    } else {
      await Deno.mkdir(join(root, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(root, path), text);
      console.log(`written: ${path}`);
    }
  }
}
